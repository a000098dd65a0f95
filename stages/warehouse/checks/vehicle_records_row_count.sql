-- Check: row count = curated - superseded
-- Table: fct_vehicles
-- Severity: error
select facts.rows as facts, contents.rows as not_superseded
from (select count(*) as rows from fct_vehicles) as facts,
    (select coalesce(sum(rows), 0)::bigint as rows from meta_contents where dataset = 'vehicles') as contents
where facts.rows <> contents.rows;

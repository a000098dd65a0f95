-- Check: row count = curated - superseded
-- Table: fct_persons
-- Severity: error
select facts.rows as facts, contents.rows as not_superseded
from (select count(*) as rows from fct_persons) as facts,
    (select coalesce(sum(rows), 0)::bigint as rows from meta_contents where dataset = 'persons') as contents
where facts.rows <> contents.rows;

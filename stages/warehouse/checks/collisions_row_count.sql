-- Check: row count = curated - superseded
-- Table: fct_collisions
-- Severity: error
select facts.rows as facts, curated.rows as curated, curated.superseded as superseded
from (select count(*) as rows from fct_collisions) as facts,
    (select coalesce(sum(collisions), 0) as rows, coalesce(sum(superseded), 0) as superseded from curated_collisions_by_month) as curated
where facts.rows <> curated.rows - curated.superseded;

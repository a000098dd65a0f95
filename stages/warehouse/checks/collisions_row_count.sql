-- Check: row count = curated - superseded
-- Table: fct_collisions
-- Severity: error
select facts.rows as facts, curated.rows as curated, superseded.rows as superseded
from (select count(*) as rows from fct_collisions) as facts,
    (select count(*) as rows from curated_collisions) as curated,
    (select count(*) as rows from superseded_collisions) as superseded
where facts.rows <> curated.rows - superseded.rows;

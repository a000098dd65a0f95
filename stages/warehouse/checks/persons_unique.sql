-- Check: unique_id is unique and not null
-- Table: fct_persons
-- Severity: error
select unique_id, count(*) as rows
from fct_persons
where not (select all_differ(unique_id) from fct_persons)
group by unique_id
having count(*) > 1 or unique_id is null;

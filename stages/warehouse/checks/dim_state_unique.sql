-- Check: state_key is unique and not null
-- Table: dim_state
-- Severity: error
select state_key, count(*) as rows
from dim_state
group by state_key
having count(*) > 1 or state_key is null;

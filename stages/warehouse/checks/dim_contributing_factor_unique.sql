-- Check: contributing_factor_key is unique
-- Table: dim_contributing_factor
-- Severity: error
select contributing_factor_key, count(*) as rows
from dim_contributing_factor
group by contributing_factor_key
having count(*) > 1;

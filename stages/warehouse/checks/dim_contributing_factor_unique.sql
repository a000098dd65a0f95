-- Check: contributing_factor_key is unique and not null
-- Table: dim_contributing_factor
-- Severity: error
select contributing_factor_key, count(*) as rows
from dim_contributing_factor
group by contributing_factor_key
having count(*) > 1 or contributing_factor_key is null;

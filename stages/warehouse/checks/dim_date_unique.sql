-- Check: date_key is unique
-- Table: dim_date
-- Severity: error
select date_key, count(*) as rows
from dim_date
group by date_key
having count(*) > 1;

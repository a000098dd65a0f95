-- Check: date_key is unique and not null
-- Table: dim_date
-- Severity: error
select date_key, count(*) as rows
from dim_date
group by date_key
having count(*) > 1 or date_key is null;

-- Check: driver_key is unique and not null
-- Table: dim_driver
-- Severity: error
select driver_key, count(*) as rows
from dim_driver
group by driver_key
having count(*) > 1 or driver_key is null;

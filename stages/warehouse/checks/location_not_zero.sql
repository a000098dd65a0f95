-- Check: no place is at (0, 0)
-- Table: dim_location
-- Severity: error
select *
from dim_location
where latitude = 0 or longitude = 0;

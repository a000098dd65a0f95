-- Check: location_key is unique
-- Table: dim_location
-- Severity: error
select location_key, count(*) as rows
from dim_location
group by location_key
having count(*) > 1;

-- Check: location_key is unique and not null
-- Table: dim_location
-- Severity: error
select location_key, count(*) as rows
from dim_location
group by location_key
having count(*) > 1 or location_key is null;

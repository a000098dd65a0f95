-- Check: keys and date are not null
-- Table: fct_collisions
-- Severity: error
select *
from fct_collisions
where collision_id is null or date_key is null or location_key is null or crash_date is null;

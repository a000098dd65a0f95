-- Check: location_key is in dim_location
-- Table: fct_collisions
-- Severity: error
select collision_id, location_key
from fct_collisions
anti join dim_location using (location_key);

-- Check: no collision is at (0, 0)
-- Table: fct_collisions
-- Severity: error
select collision_id, latitude, longitude
from fct_collisions
where latitude = 0 or longitude = 0;

-- Check: collision_id is in fct_collisions
-- Table: fct_collision_vehicles
-- Severity: error
select *
from fct_collision_vehicles
anti join fct_collisions using (collision_id);

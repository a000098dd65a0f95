-- Check: collision_id is in fct_collisions
-- Table: fct_vehicles
-- Severity: warning
select unique_id, collision_id, crash_date
from fct_vehicles
anti join fct_collisions using (collision_id)
order by crash_date desc, unique_id;

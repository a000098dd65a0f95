-- Check: collision_id and slot are unique
-- Table: fct_collision_vehicles
-- Severity: error
select collision_id, vehicle_slot, count(*) as rows
from fct_collision_vehicles
group by collision_id, vehicle_slot
having count(*) > 1;

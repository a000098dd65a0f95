-- Check: collision_id and slot are unique and not null
-- Table: fct_collision_vehicles
-- Severity: error
select collision_id, vehicle_slot, count(*) as rows
from fct_collision_vehicles
where not (
    select all_differ(if(collision_id between 0 and 9999999, collision_id * 8 + vehicle_slot, null))
    from fct_collision_vehicles
)
group by collision_id, vehicle_slot
having count(*) > 1 or collision_id is null or vehicle_slot is null;

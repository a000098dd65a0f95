-- Check: collision_id and slot are unique and not null
-- Table: fct_collision_vehicles
-- Severity: error
with repeated as ( -- by the set of a collision's slots: twice as fast as by collision and slot
    select collision_id
    from fct_collision_vehicles
    group by collision_id
    having count(*) is distinct from bit_count(bit_or(1::bigint << vehicle_slot))
)
select collision_id, vehicle_slot, count(*) as rows
from fct_collision_vehicles
where collision_id is null or collision_id in (from repeated)
group by collision_id, vehicle_slot
having count(*) > 1 or collision_id is null or vehicle_slot is null;

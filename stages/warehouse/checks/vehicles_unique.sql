-- Check: collision_id and slot are unique and not null
-- Table: fct_collision_vehicles
-- Severity: error
with numbered as (
    select if(collision_id between 0 and 12499998, collision_id * 8 + vehicle_slot, null) as number
    from fct_collision_vehicles
)
select collision_id, vehicle_slot, count(*) as rows
from fct_collision_vehicles
where ( -- quick where all differ: a bit for each number instead of a group
    select bit_count(bitstring_agg(if(number between 0 and 99999999, number, null), 0, 99999999)) is distinct from count(*)
    from numbered
)
group by collision_id, vehicle_slot
having count(*) > 1 or collision_id is null or vehicle_slot is null;

-- Grain: one collision and vehicle slot (1-5) that names a vehicle type or a contributing factor. Key 0 is "not stated".
create table fct_collision_vehicles as
select
    collision_id,
    vehicle_slot,
    vehicle_type_key,
    contributing_factor_key
from vehicles;

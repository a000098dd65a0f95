-- Grain: one row per collision and vehicle slot (1-5) that names a vehicle type or a contributing factor.
create table fct_collision_vehicles as
select
    collision_id, -- the city's number of the collision
    year(crash_date) * 10000 + month(crash_date) * 100 + day(crash_date) as date_key, -- day of the collision, as YYYYMMDD
    vehicle_slot, -- which of the five slots, 1-5
    vehicle_type_key, -- published vehicle type; 0: not stated
    contributing_factor_key -- published contributing factor; 0: not stated
from newest_collision_vehicles;

-- Grain: one row per vehicle record of a collision. The view vehicles adds what is known of the collision.
create table fct_vehicles as
select
    unique_id, -- the city's number of the vehicle record, to which vehicle_unique_id of persons refers
    collision_id, -- the city's number of the collision; NULL where it cannot be read
    vehicle_id, -- the vehicle's number in the report, or a UUID
    year(crash_date) * 10000 + month(crash_date) * 100 + day(crash_date) as date_key, -- day of the collision that this record states, as YYYYMMDD
    crash_date, -- day of the collision that this record states
    crash_time, -- time of the collision that this record states, New York time
    vehicle_type_key, -- published vehicle type; 0: not stated
    vehicle_make_key, -- published make; 0: not stated
    registration_state_key, -- published state of registration, in dim_state; 0: not stated
    driver_key, -- sex and licence of the driver; 0: not stated
    movement_key, -- action before the collision, direction and point of impact; 0: not stated
    damage_1_key, -- first damaged part, in dim_vehicle_part; 0: not stated
    damage_2_key, -- second damaged part, in dim_vehicle_part; 0: not stated
    damage_3_key, -- third damaged part, in dim_vehicle_part; 0: not stated
    damage_4_key, -- fourth damaged part, in dim_vehicle_part; 0: not stated
    factor_1_key as contributing_factor_1_key, -- first contributing factor, in dim_contributing_factor; 0: not stated
    factor_2_key as contributing_factor_2_key, -- second contributing factor, in dim_contributing_factor; 0: not stated
    vehicle_model, -- model as published; stated for one vehicle in a hundred
    vehicle_year, -- model year, 1900 to the year after the collision
    occupants, -- number of occupants, 0-200; NULL where not stated
    public_property_damage, -- whether public property was damaged: Yes, No or Unspecified
    public_property_damage_type -- what public property was damaged, as published
from newest_vehicles;

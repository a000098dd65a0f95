-- Grain: one row per vehicle record, with the collision where it is known, and everything under standard names.
create view vehicles as
select
    unique_id, -- the city's number of the vehicle record
    fct_vehicles.collision_id as collision_id, -- the city's number of the collision; NULL where it cannot be read
    fct_collisions.collision_id is not null as collision_known, -- whether the collision is in fct_collisions
    coalesce(fct_collisions.date_key, fct_vehicles.date_key) as date_key, -- day of the collision, as YYYYMMDD; where it is not known, the day that this record states
    coalesce(fct_collisions.location_key, 0) as location_key, -- place of the collision; 0: not stated, or the collision is not known
    coalesce(fct_collisions.crash_date, fct_vehicles.crash_date) as crash_date, -- day of the collision; where it is not known, the day that this record states
    year(coalesce(fct_collisions.crash_date, fct_vehicles.crash_date)) as year, -- year
    coalesce(fct_collisions.crash_time, fct_vehicles.crash_time) as crash_time, -- time of the collision, New York time
    borough, -- borough of the collision
    severity, -- of the collision: fatal, injury or property damage
    vehicle_type, -- standard type
    vehicle_group, -- group of the standard type
    vehicle_make, -- standard make
    vehicle_model, -- model as published
    vehicle_year, -- model year
    state as registration_state, -- state of registration
    occupants, -- number of occupants; NULL where not stated
    driver_sex, -- sex of the driver
    licence_status, -- Licensed, Permit or Unlicensed
    licence_state, -- state that licensed the driver
    pre_crash, -- what the vehicle did before the collision
    travel_direction, -- direction of travel
    point_of_impact, -- point of impact
    part_1.part as damage_1, -- first damaged part
    part_2.part as damage_2, -- second damaged part
    part_3.part as damage_3, -- third damaged part
    part_4.part as damage_4, -- fourth damaged part
    public_property_damage, -- whether public property was damaged: Yes, No or Unspecified
    factor_1.contributing_factor as contributing_factor_1, -- first contributing factor
    factor_2.contributing_factor as contributing_factor_2 -- second contributing factor
from fct_vehicles
left join fct_collisions on fct_collisions.collision_id = fct_vehicles.collision_id
join dim_vehicle_type using (vehicle_type_key)
join dim_vehicle_make using (vehicle_make_key)
join dim_state on state_key = registration_state_key
join dim_driver using (driver_key)
join dim_movement using (movement_key)
join dim_vehicle_part as part_1 on part_1.part_key = fct_vehicles.damage_1_key
join dim_vehicle_part as part_2 on part_2.part_key = fct_vehicles.damage_2_key
join dim_vehicle_part as part_3 on part_3.part_key = fct_vehicles.damage_3_key
join dim_vehicle_part as part_4 on part_4.part_key = fct_vehicles.damage_4_key
join dim_contributing_factor as factor_1 on factor_1.contributing_factor_key = fct_vehicles.contributing_factor_1_key
join dim_contributing_factor as factor_2 on factor_2.contributing_factor_key = fct_vehicles.contributing_factor_2_key;

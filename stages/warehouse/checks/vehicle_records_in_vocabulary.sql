-- Check: the values of vehicles are in the vocabularies (one row per word)
-- Table: fct_vehicles
-- Severity: warning
with standard as (
    select 'vehicle_make' as column_name, vehicle_make as name, raw_spelling as published from dim_vehicle_make
    union all select 'registration_state', state, raw_code from dim_state
    union all select 'driver_sex', driver_sex, driver_sex_raw from dim_driver
    union all select 'licence_status', licence_status, licence_status_raw from dim_driver
    union all select 'licence_state', licence_state, licence_state_raw from dim_driver
    union all select 'pre_crash', pre_crash, pre_crash_raw from dim_movement
    union all select 'travel_direction', travel_direction, travel_direction_raw from dim_movement
    union all select 'point_of_impact', point_of_impact, point_of_impact_raw from dim_movement
    union all select 'damage', part, raw_spelling from dim_vehicle_part
)
select distinct column_name, published
from standard
where name = 'Unmapped'
order by column_name, published;

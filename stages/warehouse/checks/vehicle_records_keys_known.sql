-- Check: every key is in its dimension
-- Table: fct_vehicles
-- Severity: error
with keys as (
    unpivot (
        select
            unique_id, vehicle_type_key, vehicle_make_key, registration_state_key, driver_key, movement_key,
            damage_1_key, damage_2_key, damage_3_key, damage_4_key, contributing_factor_1_key, contributing_factor_2_key
        from fct_vehicles
    )
    on columns(* exclude (unique_id))
    into name column_name value key
),
known as (
    select 'vehicle_type_key' as column_name, vehicle_type_key as key from dim_vehicle_type
    union all select 'vehicle_make_key', vehicle_make_key from dim_vehicle_make
    union all select 'registration_state_key', state_key from dim_state
    union all select 'driver_key', driver_key from dim_driver
    union all select 'movement_key', movement_key from dim_movement
    union all select column_name, part_key
    from dim_vehicle_part, unnest(['damage_1_key', 'damage_2_key', 'damage_3_key', 'damage_4_key']) as of (column_name)
    union all select column_name, contributing_factor_key
    from dim_contributing_factor, unnest(['contributing_factor_1_key', 'contributing_factor_2_key']) as of (column_name)
)
select *
from keys
anti join known using (column_name, key);

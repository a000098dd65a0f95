-- Check: every key is in its dimension
-- Table: fct_vehicles
-- Severity: error
select 'vehicle_type_key' as column_name, unique_id
from fct_vehicles
anti join dim_vehicle_type using (vehicle_type_key)
union all
select 'vehicle_make_key', unique_id from fct_vehicles anti join dim_vehicle_make using (vehicle_make_key)
union all
select 'registration_state_key', unique_id from fct_vehicles anti join dim_state on registration_state_key = state_key
union all
select 'driver_key', unique_id from fct_vehicles anti join dim_driver using (driver_key)
union all
select 'movement_key', unique_id from fct_vehicles anti join dim_movement using (movement_key)
union all
select 'damage_1_key', unique_id from fct_vehicles anti join dim_vehicle_part on damage_1_key = part_key
union all
select 'damage_2_key', unique_id from fct_vehicles anti join dim_vehicle_part on damage_2_key = part_key
union all
select 'damage_3_key', unique_id from fct_vehicles anti join dim_vehicle_part on damage_3_key = part_key
union all
select 'damage_4_key', unique_id from fct_vehicles anti join dim_vehicle_part on damage_4_key = part_key
union all
select 'contributing_factor_1_key', unique_id
from fct_vehicles
anti join dim_contributing_factor on contributing_factor_1_key = contributing_factor_key
union all
select 'contributing_factor_2_key', unique_id
from fct_vehicles
anti join dim_contributing_factor on contributing_factor_2_key = contributing_factor_key;

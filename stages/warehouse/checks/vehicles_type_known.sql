-- Check: vehicle_type_key is in dim_vehicle_type
-- Table: fct_collision_vehicles
-- Severity: error
select *
from fct_collision_vehicles
anti join dim_vehicle_type using (vehicle_type_key);

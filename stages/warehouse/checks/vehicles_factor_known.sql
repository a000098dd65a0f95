-- Check: contributing_factor_key is in dim_contributing_factor
-- Table: fct_collision_vehicles
-- Severity: error
select *
from fct_collision_vehicles
anti join dim_contributing_factor using (contributing_factor_key);

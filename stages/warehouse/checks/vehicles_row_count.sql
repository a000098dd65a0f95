-- Check: row count = sum of vehicle_count
-- Table: fct_collision_vehicles
-- Severity: error
select vehicles.rows as vehicles, collisions.vehicle_count
from (select count(*) as rows from fct_collision_vehicles) as vehicles,
    (select coalesce(sum(vehicle_count), 0) as vehicle_count from fct_collisions) as collisions
where vehicles.rows <> collisions.vehicle_count;

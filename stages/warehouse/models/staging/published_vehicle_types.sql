-- Grain: one row per vehicle type that a record names, or may name and does not.
create temp view published_vehicle_types as
select vehicle_type_key, vehicle_type_raw, vehicle_type, vehicle_group from newest_collision_vehicles
union all
select vehicle_type_key, vehicle_type_raw, vehicle_type, vehicle_group from newest_vehicles;

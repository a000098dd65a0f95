-- Grain: one row per month and published spelling of a vehicle type of vehicles.
create table vehicle_types_of_records as
select
    year(crash_date) * 100 + month(crash_date) as month,
    vehicle_type_key,
    vehicle_type_raw,
    any_value(vehicle_type) as vehicle_type,
    any_value(vehicle_group) as vehicle_group
from newest_vehicles
group by all;

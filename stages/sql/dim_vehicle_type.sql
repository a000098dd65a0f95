-- Grain: one published spelling of a vehicle type → standard type → group. Key 0 is "not stated".
create table dim_vehicle_type as
select distinct
    vehicle_type_key,
    vehicle_type_raw as raw_spelling,
    coalesce(vehicle_type, 'Unknown') as vehicle_type,
    coalesce(vehicle_group, 'Unknown') as vehicle_group
from vehicles;

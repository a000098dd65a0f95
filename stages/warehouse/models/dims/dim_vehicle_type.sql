-- Grain: one row per published spelling of a vehicle type → standard type → group.
create table dim_vehicle_type as
select
    vehicle_type_key, -- derived from the spelling; 0: not stated
    vehicle_type_raw as raw_spelling, -- as published
    coalesce(any_value(vehicle_type), 'Unknown') as vehicle_type, -- standard name; Unmapped where the vocabulary lacks the spelling
    coalesce(any_value(vehicle_group), 'Unknown') as vehicle_group -- group of the standard type
from published_vehicle_types
group by vehicle_type_key, vehicle_type_raw;

-- Grain: one row per published spelling of a vehicle type and where it is named.
create temp view published_vehicle_types as
select vehicle_type_key, vehicle_type_raw, vehicle_type, vehicle_group from vehicle_type_spellings
union all
select vehicle_type_key, vehicle_type_raw, vehicle_type, vehicle_group from vehicle_types_of_records;

-- Grain: one row per published spelling of a make → standard make.
create table dim_vehicle_make as
select
    vehicle_make_key, -- derived from the spelling; 0: not stated
    vehicle_make_raw as raw_spelling, -- as published
    coalesce(any_value(vehicle_make), 'Not stated') as vehicle_make -- standard name; Unmapped where the vocabulary lacks the spelling
from vehicle_make_values
group by vehicle_make_key, vehicle_make_raw;

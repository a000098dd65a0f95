-- Grain: one row per published name of a damaged part of a vehicle → standard name.
create table dim_vehicle_part as
select
    part_key, -- derived from the published name; 0: not stated
    part_raw as raw_spelling, -- as published
    coalesce(any_value(part), 'Not stated') as part -- standard name; Unmapped where the vocabulary lacks the spelling
from part_values
group by part_key, part_raw;

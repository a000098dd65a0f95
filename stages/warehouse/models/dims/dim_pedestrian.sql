-- Grain: one row per combination of published values of location and action of a pedestrian or cyclist → standard names.
create table dim_pedestrian as
select
    pedestrian_key, -- derived from the published values; 0: none is stated
    coalesce(any_value(ped_location), 'Not stated') as ped_location, -- whether at an intersection, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(ped_action), 'Not stated') as ped_action, -- what the pedestrian or cyclist did, standard name; Unmapped where the vocabulary lacks the value
    ped_location_raw, -- whether at an intersection, as published
    ped_action_raw -- what the pedestrian or cyclist did, as published
from pedestrian_values
group by pedestrian_key, ped_location_raw, ped_action_raw;

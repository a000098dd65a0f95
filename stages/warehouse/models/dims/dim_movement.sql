-- Grain: one row per combination of published values of action before the collision, direction and point of impact → standard names.
create table dim_movement as
select
    movement_key, -- derived from the published values; 0: none is stated
    coalesce(any_value(pre_crash), 'Not stated') as pre_crash, -- what the vehicle did before the collision, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(travel_direction), 'Not stated') as travel_direction, -- direction of travel, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(point_of_impact), 'Not stated') as point_of_impact, -- point of impact, standard name; Unmapped where the vocabulary lacks the value
    pre_crash_raw, -- what the vehicle did before the collision, as published
    travel_direction_raw, -- direction of travel, as published
    point_of_impact_raw -- point of impact, as published
from movement_values
group by movement_key, pre_crash_raw, travel_direction_raw, point_of_impact_raw;

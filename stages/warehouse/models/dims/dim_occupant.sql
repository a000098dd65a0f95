-- Grain: one row per combination of published values of position in the vehicle, safety equipment and ejection → standard names.
create table dim_occupant as
select
    occupant_key, -- derived from the published values; 0: none is stated
    coalesce(any_value(position), 'Not stated') as position, -- position in the vehicle, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(safety_equipment), 'Not stated') as safety_equipment, -- safety equipment used, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(ejection), 'Not stated') as ejection, -- ejection from the vehicle, standard name; Unmapped where the vocabulary lacks the value
    position_raw, -- position in the vehicle, as published
    safety_equipment_raw, -- safety equipment used, as published
    ejection_raw, -- ejection from the vehicle, as published
    coalesce(any_value(restraint), 'Not stated') as restraint -- Seat belt, Child restraint, Helmet, None, Other or Unknown; an air bag alone says nothing
from occupant_values
group by occupant_key, position_raw, safety_equipment_raw, ejection_raw;

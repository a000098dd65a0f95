-- Grain: one row per combination of published values of injury, part of the body, complaint and emotional status → standard names.
create table dim_person_harm as
select
    person_harm_key, -- derived from the published values; 0: none is stated
    coalesce(any_value(injury), 'Not stated') as injury, -- Injured, Killed, or Unspecified for unhurt, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(body_part), 'Not stated') as body_part, -- most severely injured part of the body, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(complaint), 'Not stated') as complaint, -- most serious physical complaint, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(emotional_status), 'Not stated') as emotional_status, -- emotional status, standard name; Unmapped where the vocabulary lacks the value
    injury_raw, -- Injured, Killed, or Unspecified for unhurt, as published
    body_part_raw, -- most severely injured part of the body, as published
    complaint_raw, -- most serious physical complaint, as published
    emotional_status_raw -- emotional status, as published
from person_harm_values
group by person_harm_key, injury_raw, body_part_raw, complaint_raw, emotional_status_raw;

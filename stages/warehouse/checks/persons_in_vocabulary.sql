-- Check: the values of persons are in the vocabularies (one row per word)
-- Table: fct_persons
-- Severity: warning
with standard as (
    select 'person_type' as column_name, person_type as name, person_type_raw as published from dim_person_profile
    union all select 'role', role, role_raw from dim_person_profile
    union all select 'sex', sex, sex_raw from dim_person_profile
    union all select 'injury', injury, injury_raw from dim_person_harm
    union all select 'body_part', body_part, body_part_raw from dim_person_harm
    union all select 'complaint', complaint, complaint_raw from dim_person_harm
    union all select 'emotional_status', emotional_status, emotional_status_raw from dim_person_harm
    union all select 'position', position, position_raw from dim_occupant
    union all select 'safety_equipment', safety_equipment, safety_equipment_raw from dim_occupant
    union all select 'ejection', ejection, ejection_raw from dim_occupant
    union all select 'ped_location', ped_location, ped_location_raw from dim_pedestrian
    union all select 'ped_action', ped_action, ped_action_raw from dim_pedestrian
)
select distinct column_name, published
from standard
where name = 'Unmapped'
order by column_name, published;

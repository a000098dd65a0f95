-- Grain: one row per combination of published values of kind of road user, role and sex → standard names.
create table dim_person_profile as
select
    person_profile_key, -- derived from the published values; 0: none is stated
    coalesce(any_value(person_type), 'Not stated') as person_type, -- kind of road user, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(role), 'Not stated') as role, -- role in the collision, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(sex), 'Not stated') as sex, -- sex, standard name; Unmapped where the vocabulary lacks the value
    person_type_raw, -- kind of road user, as published
    role_raw, -- role in the collision, as published
    sex_raw, -- sex, as published
    any_value(can_be_casualty) as can_be_casualty -- false for who was only named in the report: registrant, owner, witness, notified person, policy holder
from person_profile_values
group by person_profile_key, person_type_raw, role_raw, sex_raw;

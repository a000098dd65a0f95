-- Grain: one row per month and combination of published values of person_type, role, sex.
create table person_profile_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    person_profile_key,
    person_type_raw,
    role_raw,
    sex_raw,
    any_value(person_type) as person_type,
    any_value(role) as role,
    any_value(sex) as sex,
    any_value(can_be_casualty) as can_be_casualty
from newest_persons
group by all;

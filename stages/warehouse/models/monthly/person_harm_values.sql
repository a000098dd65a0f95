-- Grain: one row per month and combination of published values of injury, body_part, complaint, emotional_status.
create table person_harm_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    person_harm_key,
    injury_raw,
    body_part_raw,
    complaint_raw,
    emotional_status_raw,
    any_value(injury) as injury,
    any_value(body_part) as body_part,
    any_value(complaint) as complaint,
    any_value(emotional_status) as emotional_status
from newest_persons
group by all;

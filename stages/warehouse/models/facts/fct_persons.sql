-- Grain: one row per person record: whoever the police recorded with a collision, hurt or not. The view persons adds what is known of the collision.
create table fct_persons as
select
    unique_id, -- the city's number of the person record
    collision_id, -- the city's number of the collision; NULL where it cannot be read
    vehicle_unique_id, -- record of the person's vehicle; NULL where none is stated
    person_id, -- the person's number in the report, or a UUID
    year(crash_date) * 10000 + month(crash_date) * 100 + day(crash_date) as date_key, -- day of the collision that this record states, as YYYYMMDD
    crash_date, -- day of the collision that this record states
    crash_time, -- time of the collision that this record states, New York time
    person_profile_key, -- kind of road user, role and sex; 0: not stated
    person_harm_key, -- injury, part of the body, complaint and emotional status; 0: not stated
    occupant_key, -- position, safety equipment and ejection; 0: not stated
    pedestrian_key, -- location and action of a pedestrian or cyclist; 0: not stated
    factor_1_key as contributing_factor_1_key, -- first contributing factor, in dim_contributing_factor; 0: not stated
    factor_2_key as contributing_factor_2_key, -- second contributing factor, in dim_contributing_factor; 0: not stated
    age, -- age in years, 0-120
    injured, -- 1 if the person was injured in the collision, 0 if not; NULL where not stated
    killed -- 1 if the person was killed in the collision, 0 if not; NULL where not stated
from newest_persons;

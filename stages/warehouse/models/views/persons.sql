-- Grain: one row per person record, with the collision where it is known, and everything under standard names.
create view persons as
select
    fct_persons.unique_id as unique_id, -- the city's number of the person record
    fct_persons.collision_id as collision_id, -- the city's number of the collision; NULL where it cannot be read
    fct_collisions.collision_id is not null as collision_known, -- whether the collision is in fct_collisions
    vehicle_unique_id, -- record of the person's vehicle; NULL where none is stated
    fct_vehicles.unique_id is not null as vehicle_known, -- whether the vehicle is in fct_vehicles
    coalesce(fct_collisions.date_key, fct_persons.date_key) as date_key, -- day of the collision, as YYYYMMDD; where it is not known, the day that this record states
    coalesce(fct_collisions.location_key, 0) as location_key, -- place of the collision; 0: not stated, or the collision is not known
    coalesce(fct_collisions.crash_date, fct_persons.crash_date) as crash_date, -- day of the collision; where it is not known, the day that this record states
    year(coalesce(fct_collisions.crash_date, fct_persons.crash_date)) as year, -- year
    coalesce(fct_collisions.crash_time, fct_persons.crash_time) as crash_time, -- time of the collision, New York time
    borough, -- borough of the collision
    severity, -- of the collision: fatal, injury or property damage
    person_type, -- kind of road user
    role, -- role in the collision
    can_be_casualty, -- false for who was only named in the report, such as a registrant
    sex, -- Female, Male, Not binary or Unknown
    age, -- age in years, 0-120
    injured, -- 1 if the person was injured in the collision, 0 if not; NULL where not stated
    killed, -- 1 if the person was killed in the collision, 0 if not; NULL where not stated
    injury, -- Injured, Killed, or Unspecified for unhurt
    body_part, -- most severely injured part of the body
    complaint, -- most serious physical complaint
    emotional_status, -- emotional status
    position, -- position in the vehicle
    safety_equipment, -- safety equipment used
    restraint, -- Seat belt, Child restraint, Helmet, None, Other or Unknown
    ejection, -- ejection from the vehicle
    ped_location, -- whether a pedestrian or cyclist was at an intersection
    ped_action, -- what a pedestrian or cyclist did
    factor_1.contributing_factor as contributing_factor_1, -- first contributing factor
    factor_2.contributing_factor as contributing_factor_2 -- second contributing factor
from fct_persons
left join fct_collisions on fct_collisions.collision_id = fct_persons.collision_id
left join fct_vehicles on fct_vehicles.unique_id = fct_persons.vehicle_unique_id
join dim_person_profile using (person_profile_key)
join dim_person_harm using (person_harm_key)
join dim_occupant using (occupant_key)
join dim_pedestrian using (pedestrian_key)
join dim_contributing_factor as factor_1 on factor_1.contributing_factor_key = fct_persons.contributing_factor_1_key
join dim_contributing_factor as factor_2 on factor_2.contributing_factor_key = fct_persons.contributing_factor_2_key;

-- Grain: one row per collision. Counts are NULL where the source leaves them blank.
create table fct_collisions as
select
    collision_id, -- the city's number of the collision
    year(crash_date) * 10000 + month(crash_date) * 100 + day(crash_date) as date_key, -- its day, as YYYYMMDD
    location_key, -- its place; 0: not stated
    crash_date, -- day of the collision
    crash_time, -- time of the collision, New York time; NULL where it cannot be read
    crash_hour, -- hour of the day, 0-23, New York time
    named_collisions.borough as borough, -- the borough stated, else the one in which its coordinates lie
    borough_source, -- stated or coordinates; NULL where the borough is unknown
    zip_code, -- five digits, where stated
    latitude, -- degrees north, WGS84
    longitude, -- degrees east, WGS84
    severity, -- fatal, injury or property damage; NULL where a count that decides it is unknown
    vehicle_count, -- how many of the five vehicle slots are named, 0-5
    vehicle_type_1, -- standard type of the first vehicle
    vehicle_type_2, -- standard type of the second vehicle
    contributing_factor_1, -- standard factor of the first vehicle
    contributing_factor_2, -- standard factor of the second vehicle
    involves_truck, -- whether a slot names a truck; pick-up trucks and vans do not count
    involves_bus, -- whether a slot names a bus
    involves_taxi, -- whether a slot names a taxi or a livery car
    involves_motorcycle_or_moped, -- whether a slot names a motorcycle or a moped
    involves_bicycle, -- whether a slot names a bicycle, electric ones included
    speeding, -- whether a slot names the factor Unsafe Speed
    alcohol, -- whether a slot names the factor Alcohol Involvement
    persons_injured, -- number of persons injured; may exceed the sum of the three groups below
    persons_killed, -- number of persons killed
    pedestrians_injured, -- number of pedestrians injured
    pedestrians_killed, -- number of pedestrians killed
    cyclists_injured, -- number of cyclists injured
    cyclists_killed, -- number of cyclists killed
    motorists_injured, -- number of motorists injured
    motorists_killed -- number of motorists killed
from named_collisions
join places using (named_as);

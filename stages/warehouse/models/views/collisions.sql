-- Grain: one row per collision, with what is asked for most, so that most questions need no join. Counts are NULL where the source leaves them blank.
create view collisions as
select
    collision_id, -- the city's number of the collision
    crash_date, -- day of the collision
    year(crash_date) as year, -- year
    quarter(crash_date) as quarter, -- quarter, 1-4
    month(crash_date) as month, -- month, 1-12
    isodow(crash_date) as day_of_week, -- 1 Monday to 7 Sunday
    dayname(crash_date) as day_name, -- Monday to Sunday
    isodow(crash_date) >= 6 as is_weekend, -- Saturday or Sunday
    yearweek(crash_date) as iso_year_week, -- ISO year and week as YYYYWW
    crash_time, -- time of the collision, New York time; NULL where it cannot be read
    crash_hour as hour, -- hour of the day, 0-23, New York time
    fct_collisions.borough as borough, -- the borough stated, else the one in which its coordinates lie
    borough_source, -- stated or coordinates; NULL where the borough is unknown
    zip_code, -- five digits, where stated
    latitude, -- degrees north, WGS84
    longitude, -- degrees east, WGS84
    place_type, -- intersection, address, street or coordinates; NULL: not stated
    place, -- name of the place, such as AVENUE U × FLATBUSH AVENUE
    street_1, -- the street; of an intersection the first in alphabetical order
    street_2, -- the other street of an intersection
    severity, -- fatal, injury or property damage; NULL where a count that decides it is unknown
    persons_injured, -- number of persons injured; may exceed the sum of the three groups below
    persons_killed, -- number of persons killed
    pedestrians_injured, -- number of pedestrians injured
    pedestrians_killed, -- number of pedestrians killed
    cyclists_injured, -- number of cyclists injured
    cyclists_killed, -- number of cyclists killed
    motorists_injured, -- number of motorists injured
    motorists_killed, -- number of motorists killed
    vehicle_count, -- how many of the five vehicle slots are named, 0-5
    vehicle_type_1, -- standard type of the first vehicle
    vehicle_type_2, -- standard type of the second vehicle
    contributing_factor_1, -- standard factor of the first vehicle
    contributing_factor_2, -- standard factor of the second vehicle
    involves_truck, -- whether a slot names a truck; pick-up trucks and vans do not count
    involves_bus, -- whether a slot names a bus
    involves_taxi, -- whether a slot names a taxi or a livery car
    involves_motorcycle_or_moped, -- whether a slot names a motorcycle or a moped
    involves_bicycle or cyclists_injured > 0 or cyclists_killed > 0 as involves_cyclist, -- whether a slot names a bicycle, or a cyclist was hurt
    pedestrians_injured > 0 or pedestrians_killed > 0 as involves_pedestrian, -- whether a pedestrian was hurt; the source does not mention others
    speeding, -- whether a slot names the factor Unsafe Speed
    alcohol -- whether a slot names the factor Alcohol Involvement
from fct_collisions
join dim_location using (location_key);

-- Grain: one collision. Counts are NULL where the source leaves them blank.
create table fct_collisions as
select
    collision_id,
    year(crash_date) * 10000 + month(crash_date) * 100 + day(crash_date) as date_key,
    location_key,
    crash_date,
    crash_time,
    crash_hour,
    severity,
    vehicle_count,
    persons_injured,
    persons_killed,
    pedestrians_injured,
    pedestrians_killed,
    cyclists_injured,
    cyclists_killed,
    motorists_injured,
    motorists_killed
from collisions;

-- Grain: one row per collision whose coordinates lie more than 1 km from the borough that it states.
create table collisions_far_from_borough as
select
    year(crash_date) * 100 + month(crash_date) as month,
    collision_id,
    crash_date,
    borough,
    borough_distance_m,
    latitude,
    longitude,
    on_street_name,
    cross_street_name
from newest_collisions
where borough_distance_m > 1000;

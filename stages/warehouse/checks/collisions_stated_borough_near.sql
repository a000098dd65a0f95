-- Check: a stated borough lies within 1 km of the coordinates
-- Table: fct_collisions
-- Severity: warning
select collision_id, crash_date, borough, borough_distance_m, latitude, longitude, on_street_name, cross_street_name
from collisions_far_from_borough
order by borough_distance_m desc, collision_id;

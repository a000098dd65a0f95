-- Check: vehicle types are in the vocabulary (one row per word)
-- Table: dim_vehicle_type
-- Severity: warning
with named as (
    select vehicle_type_key from fct_collision_vehicles
    union all select vehicle_type_key from fct_vehicles
)
select raw_spelling, count(*) as vehicles
from dim_vehicle_type
join named using (vehicle_type_key)
where vehicle_type = 'Unmapped'
group by raw_spelling
order by vehicles desc, raw_spelling;

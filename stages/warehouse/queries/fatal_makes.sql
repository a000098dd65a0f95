-- Makes and median model years of the vehicles in fatal collisions of a year.
-- year: such as 2025, or all
select
    vehicle_make,
    count(*) as vehicles,
    count(*) filter (severity = 'fatal') as in_fatal_collisions,
    round(1000.0 * in_fatal_collisions / count(*), 2) as per_thousand,
    (median(vehicle_year) filter (severity = 'fatal'))::integer as median_year
from vehicles
where $year = 'all' or year = cast(nullif($year, 'all') as integer)
group by vehicle_make
having in_fatal_collisions > 0
order by in_fatal_collisions desc, vehicle_make;

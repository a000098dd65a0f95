-- Drivers by their licence in a year, and the severity of their collisions.
-- year: such as 2025, or all
select
    licence_status,
    count(*) as drivers,
    count(*) filter (severity = 'injury') as in_injury_collisions,
    count(*) filter (severity = 'fatal') as in_fatal_collisions,
    round(100.0 * count(*) filter (severity in ('injury', 'fatal')) / count(*), 1) as percent_with_casualties
from vehicles
where $year = 'all' or year = cast(nullif($year, 'all') as integer)
group by licence_status
order by drivers desc, licence_status;

-- What held the occupants of vehicles in a year, and how many of them were hurt.
-- year: such as 2025, or all
select
    restraint,
    count(*) as occupants,
    sum(injured)::bigint as injured,
    sum(killed)::bigint as killed,
    round(100.0 * sum(injured + killed) / count(*), 1) as percent_hurt,
    count(*) filter (ejection in ('Ejected', 'Partially Ejected')) as ejected
from persons
where person_type = 'Occupant' and can_be_casualty and ($year = 'all' or year = cast(nullif($year, 'all') as integer))
group by restraint
order by occupants desc, restraint;

-- What pedestrians were doing when they were hit in a year, and where.
-- year: such as 2025, or all
select
    ped_action,
    count(*) as pedestrians,
    count(*) filter (ped_location = 'At intersection') as at_intersection,
    sum(injured)::bigint as injured,
    sum(killed)::bigint as killed,
    round(avg(age), 1) as average_age
from persons
where person_type = 'Pedestrian' and can_be_casualty and ($year = 'all' or year = cast(nullif($year, 'all') as integer))
group by ped_action
order by pedestrians desc, ped_action;

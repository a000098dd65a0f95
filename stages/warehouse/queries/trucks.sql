-- Collisions that involve a truck, by year, and whom they hurt; pick-up trucks and vans do not count.
select
    year,
    count(*) as collisions,
    sum(persons_injured)::bigint as injured,
    sum(persons_killed)::bigint as killed,
    sum(pedestrians_killed)::bigint as pedestrians_killed,
    sum(cyclists_killed)::bigint as cyclists_killed
from collisions
where involves_truck
group by year
order by year;

-- The twenty intersections with the most persons killed or injured.
select
    place,
    borough,
    count(*) as collisions,
    sum(persons_injured)::bigint as injured,
    sum(persons_killed)::bigint as killed
from (select location_key, persons_injured, persons_killed from fct_collisions)
join dim_location using (location_key)
where place_type = 'intersection'
group by location_key, place, borough
order by coalesce(injured, 0) + coalesce(killed, 0) desc, collisions desc, place, borough
limit 20;

-- Collisions and casualties by borough.
select
    coalesce(borough, 'not stated') as borough,
    count(*) as collisions,
    sum(persons_injured) as injured,
    sum(persons_killed) as killed,
    round(100.0 * count(*) / sum(count(*)) over (), 1) as percent
from fct_collisions
join dim_location using (location_key)
group by all
order by collisions desc;

-- Collisions and casualties by borough: stated, or found from the coordinates where none is stated.
select
    coalesce(borough, 'not stated') as borough,
    count(*) as collisions,
    count(*) filter (where borough_source = 'stated') as stated,
    count(*) filter (where borough_source = 'coordinates') as from_coordinates,
    sum(persons_injured)::bigint as injured,
    sum(persons_killed)::bigint as killed,
    round(100.0 * count(*) / sum(count(*)) over (), 1) as percent
from fct_collisions
group by all
order by collisions desc;

-- The contributing factors named most often, with the harm of the collisions that name them (a collision counts once per factor).
with named as (
    select distinct collision_id, contributing_factor, factor_group
    from fct_collision_vehicles
    join dim_contributing_factor using (contributing_factor_key)
)
select contributing_factor, factor_group, count(*) as collisions, sum(persons_injured)::bigint as injured, sum(persons_killed)::bigint as killed
from named
join fct_collisions using (collision_id)
where factor_group <> 'Unknown'
group by all
order by collisions desc, contributing_factor
limit 20;

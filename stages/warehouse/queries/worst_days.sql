-- The ten days with the most persons injured.
select date, day_name, count(*) as collisions, sum(persons_injured)::bigint as injured, sum(persons_killed)::bigint as killed
from fct_collisions
join dim_date using (date_key)
group by all
order by injured desc, collisions desc, date
limit 10;

-- Collisions by hour of the day; midnight holds those whose time was not known to the officer, too.
select crash_hour as hour, count(*) as collisions, sum(persons_injured)::bigint as injured, sum(persons_killed)::bigint as killed
from fct_collisions
group by all
order by hour nulls last;

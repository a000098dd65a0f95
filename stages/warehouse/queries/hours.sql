-- Collisions by hour of the day; midnight also has those whose time the officer did not know.
select crash_hour as hour, count(*) as collisions, sum(persons_injured)::bigint as injured, sum(persons_killed)::bigint as killed
from fct_collisions
group by all
order by hour nulls last;

-- Validation: collisions and casualties by month, to compare with the city's own summaries.
select
    strftime(crash_date, '%Y-%m') as month,
    count(*) as collisions,
    sum(persons_injured)::bigint as injured,
    sum(persons_killed)::bigint as killed,
    count(*) - count(persons_injured) as injured_unknown
from fct_collisions
group by month
order by month;

-- Year on year: each year up to the last full week of the newest, by ISO years and weeks.
with newest as (
    select week(date_trunc('week', max(crash_date))::date - 1) as last_week
    from fct_collisions
)
select
    isoyear(crash_date) as iso_year,
    last_week,
    count(distinct week(crash_date)) as weeks_with_collisions,
    count(*) as collisions,
    sum(persons_injured)::bigint as injured,
    sum(persons_killed)::bigint as killed
from fct_collisions, newest
where week(crash_date) <= last_week
group by all
order by iso_year;

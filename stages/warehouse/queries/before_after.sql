-- A corner before and after a date: the same number of days of each, up to a year. No rows: no collision at such a corner is known.
-- corner: one of its streets, written out: FLATBUSH AVENUE
-- with: the other street
-- date: the first day after, YYYY-MM-DD
with periods as (
    select
        $date::date as day,
        greatest(0, least(365, max(crash_date) - day + 1, day - min(crash_date)))::integer as days
    from fct_collisions
),
known as (
    select *
    from collisions
    where street_1 = least(upper($corner), upper($with)) and street_2 = greatest(upper($corner), upper($with))
),
at_the_corner as (
    select if(crash_date < day, 'before', 'after') as period, known.*
    from known, periods
    where crash_date >= day - days and crash_date < day + days
)
select
    period,
    if(period = 'before', day - days, day) as first_day,
    days,
    count(collision_id) as collisions,
    if(collisions = 0, 0, sum(persons_injured))::bigint as injured,
    if(collisions = 0, 0, sum(persons_killed))::bigint as killed
from periods
cross join (values ('before'), ('after')) as sides (period)
left join at_the_corner using (period)
where exists (from known)
group by all
order by first_day;

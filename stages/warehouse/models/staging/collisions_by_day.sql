-- Grain: one row per day from the first collision to the last: its collisions, and how many there are on the 28 days around it.
create temp view collisions_by_day as
with bounds as (
    select min(date_key) as first_day, max(date_key) as last_day
    from fct_collisions
),
days as (
    select date, count(collision_id) as collisions
    from dim_date
    join bounds on date_key between first_day and last_day
    left join fct_collisions using (date_key)
    group by date
)
select
    date,
    collisions,
    median(collisions) over around as usual,
    count(nullif(collisions, 0)) over around as days_with_collisions
from days
window around as (order by date rows between 14 preceding and 14 following exclude current row);

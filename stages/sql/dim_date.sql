-- Grain: one day, without gaps from the first collision to the last.
create table dim_date as
with bounds as (
    select min(crash_date) as first_day, max(crash_date) as last_day
    from fct_collisions
),
days as (
    select unnest(generate_series(first_day::timestamp, last_day::timestamp, interval 1 day))::date as day
    from bounds
)
select
    year(day) * 10000 + month(day) * 100 + day(day) as date_key,
    day as date,
    year(day) as year,
    quarter(day) as quarter,
    month(day) as month,
    monthname(day) as month_name,
    day(day) as day_of_month,
    isodow(day) as day_of_week,
    dayname(day) as day_name,
    isodow(day) >= 6 as is_weekend,
    yearweek(day) as iso_week
from days;

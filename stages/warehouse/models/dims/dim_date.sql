-- Grain: one row per day, without gaps from the first record to the last.
create table dim_date as
with dated as (
    select crash_date from fct_collisions
    union all
    select crash_date from fct_persons
    union all
    select crash_date from fct_vehicles
),
bounds as (
    select min(crash_date) as first_day, max(crash_date) as last_day
    from dated
),
days as (
    select unnest(generate_series(first_day::timestamp, last_day::timestamp, interval 1 day))::date as day
    from bounds
)
select
    year(day) * 10000 + month(day) * 100 + day(day) as date_key, -- YYYYMMDD
    day as date, -- the day
    year(day) as year, -- year
    quarter(day) as quarter, -- quarter, 1-4
    month(day) as month, -- month, 1-12
    monthname(day) as month_name, -- January to December
    day(day) as day_of_month, -- 1-31
    isodow(day) as day_of_week, -- 1 Monday to 7 Sunday
    dayname(day) as day_name, -- Monday to Sunday
    isodow(day) >= 6 as is_weekend, -- Saturday or Sunday
    yearweek(day) as iso_year_week -- ISO year and week as YYYYWW: 2021-01-01 is in 202053
from days;

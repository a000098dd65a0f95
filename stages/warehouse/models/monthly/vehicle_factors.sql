-- Grain: one row per month and published spelling of a contributing factor of vehicles.
create table vehicle_factors as
with named as (
    select crash_date, factor_1_key as key, factor_1_raw as raw, factor_1 as name, factor_1_group as name_group
    from newest_vehicles
    union all
    select crash_date, factor_2_key, factor_2_raw, factor_2, factor_2_group
    from newest_vehicles
)
select
    year(crash_date) * 100 + month(crash_date) as month,
    key as contributing_factor_key,
    raw as contributing_factor_raw,
    any_value(name) as contributing_factor,
    any_value(name_group) as factor_group
from named
group by all;

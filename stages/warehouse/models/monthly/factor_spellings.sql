-- Grain: one row per month and published spelling of a contributing factor.
create table factor_spellings as
select
    year(crash_date) * 100 + month(crash_date) as month,
    contributing_factor_key,
    contributing_factor_raw,
    any_value(contributing_factor) as contributing_factor,
    any_value(factor_group) as factor_group
from newest_collision_vehicles
group by all;

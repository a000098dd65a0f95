-- Grain: one row per month and published name of a damaged part.
create table part_values as
with named as (
    select crash_date, damage_1_key as part_key, damage_1_raw as part_raw, damage_1 as name from newest_vehicles
    union all
    select crash_date, damage_2_key, damage_2_raw, damage_2 from newest_vehicles
    union all
    select crash_date, damage_3_key, damage_3_raw, damage_3 from newest_vehicles
    union all
    select crash_date, damage_4_key, damage_4_raw, damage_4 from newest_vehicles
)
select
    year(crash_date) * 100 + month(crash_date) as month,
    part_key,
    part_raw,
    any_value(name) as part
from named
group by all;

-- Grain: one row per month and combination of published values of pre_crash, travel_direction, point_of_impact.
create table movement_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    movement_key,
    pre_crash_raw,
    travel_direction_raw,
    point_of_impact_raw,
    any_value(pre_crash) as pre_crash,
    any_value(travel_direction) as travel_direction,
    any_value(point_of_impact) as point_of_impact
from newest_vehicles
group by all;

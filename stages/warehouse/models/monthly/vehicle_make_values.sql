-- Grain: one row per month and combination of published values of vehicle_make.
create table vehicle_make_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    vehicle_make_key,
    vehicle_make_raw,
    any_value(vehicle_make) as vehicle_make
from newest_vehicles
group by all;

-- Grain: one row per month and combination of published values of ped_location, ped_action.
create table pedestrian_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    pedestrian_key,
    ped_location_raw,
    ped_action_raw,
    any_value(ped_location) as ped_location,
    any_value(ped_action) as ped_action
from newest_persons
group by all;

-- Grain: one row per month and combination of published values of driver_sex, licence_status, licence_state.
create table driver_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    driver_key,
    driver_sex_raw,
    licence_status_raw,
    licence_state_raw,
    any_value(driver_sex) as driver_sex,
    any_value(licence_status) as licence_status,
    any_value(licence_state) as licence_state
from newest_vehicles
group by all;

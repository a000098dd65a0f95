-- Grain: one row per month and combination of published values of registration_state.
create table state_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    registration_state_key,
    registration_state_raw,
    any_value(registration_state) as registration_state
from newest_vehicles
group by all;

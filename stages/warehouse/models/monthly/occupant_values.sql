-- Grain: one row per month and combination of published values of position, safety_equipment, ejection.
create table occupant_values as
select
    year(crash_date) * 100 + month(crash_date) as month,
    occupant_key,
    position_raw,
    safety_equipment_raw,
    ejection_raw,
    any_value(position) as position,
    any_value(safety_equipment) as safety_equipment,
    any_value(ejection) as ejection,
    any_value(restraint) as restraint
from newest_persons
group by all;

-- Grain: one row per inspection of a bridge.
create table fct_inspections as
select
    inspection, -- number of the inspection
    inspected_on, -- day of the inspection
    state -- sound, worn or unknown
from newest_inspections;

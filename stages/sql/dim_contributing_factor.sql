-- Grain: one published spelling of a contributing factor → standard factor → group. Key 0 is "not stated".
create table dim_contributing_factor as
select distinct
    contributing_factor_key,
    contributing_factor_raw as raw_spelling,
    coalesce(contributing_factor, 'Unknown') as contributing_factor,
    coalesce(factor_group, 'Unknown') as factor_group
from vehicles;

-- Grain: one row per published spelling of a contributing factor → standard factor → group.
create table dim_contributing_factor as
select
    contributing_factor_key, -- derived from the spelling; 0: not stated
    contributing_factor_raw as raw_spelling, -- as published
    coalesce(any_value(contributing_factor), 'Unknown') as contributing_factor, -- standard name; Unmapped where the vocabulary lacks it
    coalesce(any_value(factor_group), 'Unknown') as factor_group -- group of the standard factor
from published_factors
group by contributing_factor_key, contributing_factor_raw;

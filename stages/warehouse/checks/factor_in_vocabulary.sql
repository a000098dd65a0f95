-- Check: factors are in the vocabulary (one row per word)
-- Table: dim_contributing_factor
-- Severity: warning
with named as (
    select contributing_factor_key from fct_collision_vehicles
    union all select contributing_factor_1_key from fct_persons
    union all select contributing_factor_2_key from fct_persons
    union all select contributing_factor_1_key from fct_vehicles
    union all select contributing_factor_2_key from fct_vehicles
)
select raw_spelling, count(*) as records
from dim_contributing_factor
join named using (contributing_factor_key)
where contributing_factor = 'Unmapped'
group by raw_spelling
order by records desc, raw_spelling;

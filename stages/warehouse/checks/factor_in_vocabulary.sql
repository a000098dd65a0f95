-- Check: factors are in the vocabulary
-- Table: dim_contributing_factor
-- Severity: warning
select raw_spelling, count(vehicle_slot) as vehicles
from dim_contributing_factor
left join fct_collision_vehicles using (contributing_factor_key)
where contributing_factor = 'Unmapped'
group by raw_spelling
order by vehicles desc, raw_spelling;

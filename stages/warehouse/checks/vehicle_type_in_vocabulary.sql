-- Check: vehicle types are in the vocabulary
-- Table: dim_vehicle_type
-- Severity: warning
select raw_spelling, count(vehicle_slot) as vehicles
from dim_vehicle_type
left join fct_collision_vehicles using (vehicle_type_key)
where vehicle_type = 'Unmapped'
group by raw_spelling
order by vehicles desc, raw_spelling;

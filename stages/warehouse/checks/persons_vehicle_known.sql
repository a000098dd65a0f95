-- Check: vehicle_unique_id, where stated, is in fct_vehicles
-- Table: fct_persons
-- Severity: warning
select unique_id, vehicle_unique_id, crash_date
from fct_persons
anti join fct_vehicles on fct_vehicles.unique_id = vehicle_unique_id
where vehicle_unique_id is not null and exists (from fct_vehicles)
order by crash_date desc, unique_id;

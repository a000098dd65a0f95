-- Check: vehicle_type_key is unique and not null
-- Table: dim_vehicle_type
-- Severity: error
select vehicle_type_key, count(*) as rows
from dim_vehicle_type
group by vehicle_type_key
having count(*) > 1 or vehicle_type_key is null;

-- Check: vehicle_make_key is unique and not null
-- Table: dim_vehicle_make
-- Severity: error
select vehicle_make_key, count(*) as rows
from dim_vehicle_make
group by vehicle_make_key
having count(*) > 1 or vehicle_make_key is null;

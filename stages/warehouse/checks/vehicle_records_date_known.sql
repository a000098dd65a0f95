-- Check: date_key is in dim_date
-- Table: fct_vehicles
-- Severity: error
select unique_id, date_key
from fct_vehicles
anti join dim_date using (date_key);

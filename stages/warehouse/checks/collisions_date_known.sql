-- Check: date_key is in dim_date
-- Table: fct_collisions
-- Severity: error
select collision_id, date_key
from fct_collisions
anti join dim_date using (date_key);

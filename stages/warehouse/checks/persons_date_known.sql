-- Check: date_key is in dim_date
-- Table: fct_persons
-- Severity: error
select unique_id, date_key
from fct_persons
anti join dim_date using (date_key);

-- Check: occupant_key is unique and not null
-- Table: dim_occupant
-- Severity: error
select occupant_key, count(*) as rows
from dim_occupant
group by occupant_key
having count(*) > 1 or occupant_key is null;

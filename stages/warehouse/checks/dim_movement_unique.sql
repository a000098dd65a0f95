-- Check: movement_key is unique and not null
-- Table: dim_movement
-- Severity: error
select movement_key, count(*) as rows
from dim_movement
group by movement_key
having count(*) > 1 or movement_key is null;

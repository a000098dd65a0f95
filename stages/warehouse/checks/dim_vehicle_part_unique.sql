-- Check: part_key is unique and not null
-- Table: dim_vehicle_part
-- Severity: error
select part_key, count(*) as rows
from dim_vehicle_part
group by part_key
having count(*) > 1 or part_key is null;

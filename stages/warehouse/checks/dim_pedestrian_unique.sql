-- Check: pedestrian_key is unique and not null
-- Table: dim_pedestrian
-- Severity: error
select pedestrian_key, count(*) as rows
from dim_pedestrian
group by pedestrian_key
having count(*) > 1 or pedestrian_key is null;

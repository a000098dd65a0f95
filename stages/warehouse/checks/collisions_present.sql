-- Check: there are collisions, or records within collisions
-- Table: fct_collisions
-- Severity: error
select count(*) as collisions
from fct_collisions
having count(*) = 0 and not exists (from fct_persons) and not exists (from fct_vehicles);

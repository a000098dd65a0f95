-- Check: there are collisions
-- Table: fct_collisions
-- Severity: error
select count(*) as collisions
from fct_collisions
having count(*) = 0;

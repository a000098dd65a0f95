-- Check: collision_id is unique and not null
-- Table: fct_collisions
-- Severity: error
select collision_id, count(*) as rows
from fct_collisions
where not (select all_differ(collision_id) from fct_collisions)
group by collision_id
having count(*) > 1 or collision_id is null;

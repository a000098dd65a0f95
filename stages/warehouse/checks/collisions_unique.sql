-- Check: collision_id is unique and not null
-- Table: fct_collisions
-- Severity: error
select collision_id, count(*) as rows
from fct_collisions
where ( -- quick where all differ: a bit for each number instead of a group
    select
        bit_count(bitstring_agg(if(collision_id between 0 and 99999999, collision_id, null), 0, 99999999))
            is distinct from count(*)
    from fct_collisions
)
group by collision_id
having count(*) > 1 or collision_id is null;

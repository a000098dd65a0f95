-- Check: unique_id is unique and not null
-- Table: fct_persons
-- Severity: error
select unique_id, count(*) as rows
from fct_persons
where ( -- quick where all differ: a bit for each number instead of a group
    select
        bit_count(bitstring_agg(if(unique_id between 0 and 99999999, unique_id, null), 0, 99999999))
            is distinct from count(*)
    from fct_persons
)
group by unique_id
having count(*) > 1 or unique_id is null;

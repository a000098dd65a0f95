-- Check: the newest collision is at most 14 days older than the newest file with collisions of its month
-- Table: fct_collisions
-- Severity: warning
with files as (
    select source, extracted_at, max(last_date) as last_date
    from collision_files_by_month
    group by source, extracted_at
),
newest as (
    select max(last_date) as newest_collision
    from files
),
-- a later extract of older months says nothing about the newest
newest_file as (
    select source, extracted_at
    from files, newest
    where last_date >= date_trunc('month', newest_collision)
    order by extracted_at desc, source
    limit 1
)
select source, extracted_at, newest_collision, extracted_at::date - newest_collision as days_behind
from newest_file, newest
where days_behind > 14;

-- Check: the newest collision is at most 14 days older than the newest file that reaches its month
-- Table: fct_collisions
-- Severity: warning
with newest_file as (
    select file, extracted_at
    from collision_sources
    where last_month >= (select strftime(max(crash_date), '%Y-%m') from fct_collisions)
    order by extracted_at desc, file
    limit 1
)
select file, extracted_at, max(crash_date) as newest_collision, extracted_at::date - max(crash_date) as days_behind
from newest_file, fct_collisions
group by file, extracted_at
having days_behind > 14;

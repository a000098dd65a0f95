-- Grain: one row per month and landed file with collisions of that month.
create table collision_files_by_month as
select
    year(crash_date) * 100 + month(crash_date) as month,
    source,
    extracted_at,
    max(crash_date) as last_date
from newest_collisions
group by all;

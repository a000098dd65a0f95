-- Grain: one row per month: how many curated collisions and casualties there are, and how many newer versions supersede.
create table curated_collisions_by_month as
with versions as (
    select curated.*, superseded.collision_id is not null as is_superseded
    from curated_collisions as curated
    left join superseded_collisions as superseded using (collision_id, crash_date)
)
select
    year(crash_date) * 100 + month(crash_date) as month,
    count(*) as collisions,
    coalesce(sum(persons_injured), 0)::bigint as injured,
    coalesce(sum(persons_killed), 0)::bigint as killed,
    count(*) filter (is_superseded) as superseded,
    coalesce(sum(persons_injured) filter (is_superseded), 0)::bigint as superseded_injured,
    coalesce(sum(persons_killed) filter (is_superseded), 0)::bigint as superseded_killed
from versions
group by month;

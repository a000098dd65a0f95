-- Check: injured and killed = curated - superseded
-- Table: fct_collisions
-- Severity: error
with facts as (
    select coalesce(sum(persons_injured), 0) as injured, coalesce(sum(persons_killed), 0) as killed
    from fct_collisions
),
curated as (
    select coalesce(sum(persons_injured), 0) as injured, coalesce(sum(persons_killed), 0) as killed
    from curated_collisions
),
superseded as (
    select coalesce(sum(persons_injured), 0) as injured, coalesce(sum(persons_killed), 0) as killed
    from curated_collisions
    semi join superseded_collisions using (collision_id, crash_date)
)
select
    facts.injured as injured, curated.injured as curated_injured, superseded.injured as superseded_injured,
    facts.killed as killed, curated.killed as curated_killed, superseded.killed as superseded_killed
from facts, curated, superseded
where facts.injured <> curated.injured - superseded.injured or facts.killed <> curated.killed - superseded.killed;

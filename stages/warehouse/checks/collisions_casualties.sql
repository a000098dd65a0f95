-- Check: injured and killed = curated - superseded
-- Table: fct_collisions
-- Severity: error
with facts as (
    select coalesce(sum(persons_injured), 0) as injured, coalesce(sum(persons_killed), 0) as killed
    from fct_collisions
),
curated as (
    select
        coalesce(sum(injured), 0) as injured,
        coalesce(sum(killed), 0) as killed,
        coalesce(sum(superseded_injured), 0) as superseded_injured,
        coalesce(sum(superseded_killed), 0) as superseded_killed
    from curated_collisions_by_month
)
select
    facts.injured as injured, curated.injured as curated_injured, superseded_injured,
    facts.killed as killed, curated.killed as curated_killed, superseded_killed
from facts, curated
where facts.injured <> curated.injured - superseded_injured or facts.killed <> curated.killed - superseded_killed;

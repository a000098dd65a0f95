-- Check: persons are at least pedestrians + cyclists + motorists
-- Table: fct_collisions
-- Severity: warning
select *
from fct_collisions
where persons_injured < pedestrians_injured + cyclists_injured + motorists_injured
    or persons_killed < pedestrians_killed + cyclists_killed + motorists_killed;

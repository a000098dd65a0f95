-- Check: no day is without collisions where at least 20 of the 28 days around it have some, and 30 or more are usual
-- Table: fct_collisions
-- Severity: warning
select date, usual
from collisions_by_day
where collisions = 0 and days_with_collisions >= 20 and usual >= 30
order by date;

-- Check: no day has less than a quarter or more than four times the usual number of collisions of the 28 days around it
-- Table: fct_collisions
-- Severity: warning
select date, collisions, usual
from collisions_by_day
where collisions > 0 and days_with_collisions >= 20 and usual >= 30
    and (collisions < usual / 4 or collisions > usual * 4)
order by date;

-- Check: of the collisions with person records, at least 90 % of each year have as many casualties as these show
-- Table: fct_persons
-- Severity: warning
select *
from casualties_compared
where collisions >= 100 and agreeing < 0.9 * collisions
order by year;

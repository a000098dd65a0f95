-- Check: of the collisions with vehicle records, at least 80 % of each year have as many (up to five) as slots are named
-- Table: fct_vehicles
-- Severity: warning
select *
from vehicles_compared
where collisions >= 100 and agreeing < 0.8 * collisions
order by year;

-- Collisions by hour of the day and day of the week.
select
    hour,
    count(*) filter (where day_of_week = 1) as monday,
    count(*) filter (where day_of_week = 2) as tuesday,
    count(*) filter (where day_of_week = 3) as wednesday,
    count(*) filter (where day_of_week = 4) as thursday,
    count(*) filter (where day_of_week = 5) as friday,
    count(*) filter (where day_of_week = 6) as saturday,
    count(*) filter (where day_of_week = 7) as sunday
from collisions
group by hour
order by hour nulls last;

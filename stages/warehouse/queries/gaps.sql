-- Validation: days without any collision between the first and the last; in New York there are none, so a day here is missing data.
select date, day_name
from dim_date
anti join fct_collisions using (date_key)
order by date;

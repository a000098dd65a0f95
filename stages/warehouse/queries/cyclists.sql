-- Cyclists killed and injured, by month and borough.
select
    strftime(crash_date, '%Y-%m') as month,
    coalesce(borough, 'not stated') as borough,
    sum(cyclists_injured)::bigint as injured,
    sum(cyclists_killed)::bigint as killed
from collisions
group by all
order by all;

-- Whether the tables agree, by year: collisions whose person records show its casualties, and whose vehicle records are as many as its slots.
with people as (
    select collision_id, sum(injured) as injured, sum(killed) as killed
    from fct_persons
    group by collision_id
),
machines as (
    select collision_id, count(*) as vehicles
    from fct_vehicles
    group by collision_id
)
select
    year(crash_date) as year,
    count(*) filter (injured is not null and persons_injured is not null and persons_killed is not null) as with_persons,
    count(*) filter (injured = persons_injured and killed = persons_killed) as casualties_agree,
    round(100.0 * casualties_agree / nullif(with_persons, 0), 1) as percent_persons,
    count(vehicles) as with_vehicles,
    count(*) filter (least(vehicles, 5) = vehicle_count) as vehicles_agree,
    round(100.0 * vehicles_agree / nullif(with_vehicles, 0), 1) as percent_vehicles
from fct_collisions
left join people using (collision_id)
left join machines using (collision_id)
group by year(crash_date)
having with_persons > 0 or with_vehicles > 0
order by year;

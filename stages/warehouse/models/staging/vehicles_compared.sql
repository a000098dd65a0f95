-- Grain: one row per year: the collisions that have vehicle records, and in how many of them these are as many as the slots named.
create temp view vehicles_compared as
with shown as (
    select collision_id, count(*) as vehicles
    from fct_vehicles
    group by collision_id
)
select
    year(crash_date) as year,
    count(*) as collisions,
    count(*) filter (least(vehicles, 5) = vehicle_count) as agreeing -- a collision has five slots
from shown
join fct_collisions using (collision_id)
group by year(crash_date);

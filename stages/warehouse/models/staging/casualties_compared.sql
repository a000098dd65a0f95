-- Grain: one row per year: the collisions that have person records, and in how many of them these show the casualties that the collision counts.
create temp view casualties_compared as
with shown as (
    select collision_id, sum(injured) as injured, sum(killed) as killed
    from fct_persons
    group by collision_id
)
select
    year(crash_date) as year,
    count(*) as collisions,
    count(*) filter (injured = persons_injured and killed = persons_killed) as agreeing
from shown
join fct_collisions using (collision_id)
where persons_injured is not null and persons_killed is not null
group by year(crash_date);

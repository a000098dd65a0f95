-- Bicycles, e-bikes, scooters, mopeds and motorcycles in collisions, by month.
with vehicles as (
    select collision_id, vehicle_type
    from fct_collision_vehicles
    join dim_vehicle_type using (vehicle_type_key)
)
select
    strftime(crash_date, '%Y-%m') as month,
    count(*) filter (where vehicle_type = 'Bicycle') as bicycles,
    count(*) filter (where vehicle_type = 'Electric bicycle') as e_bikes,
    count(*) filter (where vehicle_type = 'Scooter') as scooters,
    count(*) filter (where vehicle_type = 'Moped') as mopeds,
    count(*) filter (where vehicle_type = 'Motorcycle') as motorcycles
from fct_collisions
left join vehicles using (collision_id)
group by month
order by month;

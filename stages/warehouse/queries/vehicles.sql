-- Vehicles in collisions by type, and how many spellings each type has.
select vehicle_group, vehicle_type, count(*) as vehicles, count(distinct raw_spelling) as spellings
from fct_collision_vehicles
join dim_vehicle_type using (vehicle_type_key)
group by all
order by vehicles desc, vehicle_type;

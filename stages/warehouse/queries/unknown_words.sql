-- Published spellings that the vocabularies of vehicle types and factors lack; add them to stages/datasets/vehicle_types.py, vocabulary.py.
with unknown as (
    select 'vehicle type' as vocabulary, raw_spelling, vehicle_slot, collision_id
    from dim_vehicle_type
    left join fct_collision_vehicles using (vehicle_type_key)
    where vehicle_type = 'Unmapped'
    union all
    select 'factor' as vocabulary, raw_spelling, vehicle_slot, collision_id
    from dim_contributing_factor
    left join fct_collision_vehicles using (contributing_factor_key)
    where contributing_factor = 'Unmapped'
)
select
    vocabulary, raw_spelling, count(vehicle_slot) as vehicles, min(date) as first_seen, max(date) as last_seen
from unknown
left join fct_collisions using (collision_id)
left join dim_date using (date_key)
group by vocabulary, raw_spelling
order by vehicles desc, vocabulary, raw_spelling;

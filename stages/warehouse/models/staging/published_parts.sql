-- Grain: one row per damaged part that a vehicle record names, or may name and does not.
create temp view published_parts as
select damage_1_key as part_key, damage_1_raw as part_raw, damage_1 as part from newest_vehicles
union all
select damage_2_key, damage_2_raw, damage_2 from newest_vehicles
union all
select damage_3_key, damage_3_raw, damage_3 from newest_vehicles
union all
select damage_4_key, damage_4_raw, damage_4 from newest_vehicles;

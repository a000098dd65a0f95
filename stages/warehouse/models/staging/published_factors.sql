-- Grain: one row per contributing factor that a record names, or may name and does not.
create temp view published_factors as
select contributing_factor_key, contributing_factor_raw, contributing_factor, factor_group from newest_collision_vehicles
union all
select factor_1_key, factor_1_raw, factor_1, factor_1_group from newest_persons
union all
select factor_2_key, factor_2_raw, factor_2, factor_2_group from newest_persons
union all
select factor_1_key, factor_1_raw, factor_1, factor_1_group from newest_vehicles
union all
select factor_2_key, factor_2_raw, factor_2, factor_2_group from newest_vehicles;

-- Grain: one check of this build. `failures` counts what breaks it; an error publishes nothing, a warning is only shown.
create table meta_quality as
with checks (check_name, table_name, severity, failures) as (
    select 'collision_id is unique', 'fct_collisions', 'error', count(*) - count(distinct collision_id)
    from fct_collisions
    union all
    select 'there are collisions', 'fct_collisions', 'error', (count(*) = 0)::int
    from fct_collisions
    union all
    select 'keys and date are not null', 'fct_collisions', 'error', count(*)
    from fct_collisions
    where collision_id is null or date_key is null or location_key is null or crash_date is null
    union all
    select 'date_key is in dim_date', 'fct_collisions', 'error', count(*)
    from fct_collisions anti join dim_date using (date_key)
    union all
    select 'location_key is in dim_location', 'fct_collisions', 'error', count(*)
    from fct_collisions anti join dim_location using (location_key)
    union all
    select 'rows are those of curated but the superseded', 'fct_collisions', 'error', abs(
        (select count(*) from fct_collisions)
        + (select count(*) from superseded)
        - (select count(*) from curated_collisions)
    )
    union all
    select 'injured and killed add up to curated but the superseded', 'fct_collisions', 'error', count(*)
    from (
        select coalesce(sum(persons_injured), 0) as injured, coalesce(sum(persons_killed), 0) as killed
        from fct_collisions
    ) as facts, (
        select coalesce(sum(persons_injured), 0) as injured, coalesce(sum(persons_killed), 0) as killed
        from curated_collisions
    ) as curated, (
        select coalesce(sum(persons_injured), 0) as injured, coalesce(sum(persons_killed), 0) as killed
        from curated_collisions semi join superseded using (collision_id, crash_date)
    ) as old
    where facts.injured <> curated.injured - old.injured or facts.killed <> curated.killed - old.killed
    union all
    select 'collision_id and slot are unique', 'fct_collision_vehicles', 'error',
        count(*) - count(distinct collision_id * 8 + vehicle_slot)
    from fct_collision_vehicles
    union all
    select 'collision_id is in fct_collisions', 'fct_collision_vehicles', 'error', count(*)
    from fct_collision_vehicles anti join fct_collisions using (collision_id)
    union all
    select 'rows are as many as vehicle_count says', 'fct_collision_vehicles', 'error', abs(
        (select count(*) from fct_collision_vehicles) - (select coalesce(sum(vehicle_count), 0) from fct_collisions)
    )
    union all
    select 'vehicle_type_key is in dim_vehicle_type', 'fct_collision_vehicles', 'error', count(*)
    from fct_collision_vehicles anti join dim_vehicle_type using (vehicle_type_key)
    union all
    select 'contributing_factor_key is in dim_contributing_factor', 'fct_collision_vehicles', 'error', count(*)
    from fct_collision_vehicles anti join dim_contributing_factor using (contributing_factor_key)
    union all
    select 'date_key is unique', 'dim_date', 'error', count(*) - count(distinct date_key)
    from dim_date
    union all
    select 'location_key is unique', 'dim_location', 'error', count(*) - count(distinct location_key)
    from dim_location
    union all
    select 'vehicle_type_key is unique', 'dim_vehicle_type', 'error', count(*) - count(distinct vehicle_type_key)
    from dim_vehicle_type
    union all
    select 'contributing_factor_key is unique', 'dim_contributing_factor', 'error',
        count(*) - count(distinct contributing_factor_key)
    from dim_contributing_factor
    union all
    select 'no place lies at (0, 0)', 'dim_location', 'error', count(*)
    from dim_location
    where latitude = 0 or longitude = 0
    union all
    select 'rows in are rows out, quarantined and superseded', 'meta_stages', 'error', count(*)
    from meta_stages
    where rows_in <> rows_out + quarantined + superseded
    union all
    select 'persons are at least pedestrians, cyclists and motorists', 'fct_collisions', 'warning', count(*)
    from fct_collisions
    where persons_injured < pedestrians_injured + cyclists_injured + motorists_injured
        or persons_killed < pedestrians_killed + cyclists_killed + motorists_killed
    union all
    select 'vehicle types are known to the vocabulary', 'dim_vehicle_type', 'warning', count(*)
    from dim_vehicle_type
    where vehicle_type = 'Other'
    union all
    select 'factors are known to the vocabulary', 'dim_contributing_factor', 'warning', count(*)
    from dim_contributing_factor
    where contributing_factor = 'Other'
)
select check_name, table_name, severity, failures::bigint as failures, failures = 0 as passed
from checks;

-- Grain: one version of a collision that is not its newest. A collision that has moved to another month stands in the curated
-- partitions of both; the latest extraction counts, then the greatest source name, then the last line.
create temp table superseded as
with repeated as (
    select collision_id
    from curated_collisions
    group by collision_id
    having count(*) > 1
),
versions as (
    select
        collision_id,
        crash_date,
        row_number() over (partition by collision_id order by extracted_at desc, source desc, source_line desc) as age
    from curated_collisions
    semi join repeated using (collision_id)
)
select collision_id, crash_date
from versions
where age > 1;

create temp view collisions as
select
    *,
    case
        when borough is null and zip_code is null and on_street_name is null and cross_street_name is null
            and off_street_address is null and latitude is null and longitude is null then 0
        else (hash(
            borough, zip_code, on_street_name, cross_street_name, off_street_address, latitude, longitude
        ) >> 1)::bigint
    end as location_key
from curated_collisions
anti join superseded using (collision_id, crash_date);

create temp view vehicles as
select *
from curated_collision_vehicles
anti join superseded using (collision_id, crash_date);

-- Grain: one row per collision, with the key of its place: a hash of the seven columns that name it, 0 where none does.
create temp view located_collisions as
select
    *,
    case
        when borough is null and zip_code is null and on_street_name is null and cross_street_name is null
            and off_street_address is null and latitude is null and longitude is null then 0
        else (hash(
            borough, zip_code, on_street_name, cross_street_name, off_street_address, latitude, longitude
        ) >> 1)::bigint
    end as location_key
from newest_collisions;

-- Grain: one row per collision, with its place as its own columns name it, and a number for that name within this build.
create temp view named_collisions as
select
    *,
    case
        when on_street_name <> cross_street_name then 'intersection'
        when off_street_address is not null then 'address'
        when coalesce(on_street_name, cross_street_name) is not null then 'street'
        when latitude is not null then 'coordinates'
    end as place_type,
    case place_type
        when 'intersection'
            then least(on_street_name, cross_street_name) || ' × ' || greatest(on_street_name, cross_street_name)
        when 'address' then off_street_address
        when 'street' then coalesce(on_street_name, cross_street_name)
        when 'coordinates' then format('{:.4f}, {:.4f}', latitude, longitude) -- to about 10 m
    end as place,
    -- never published: hash differs between versions of DuckDB
    hash(place_type, place) as name,
    hash(name, if(place is null, null, borough)) as named_as
from newest_collisions;

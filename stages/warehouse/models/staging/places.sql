-- Grain: one row per place and way to name it: with its borough, or without where one borough alone has a place of this name.
create temp table places as
with names as (
    select
        named_as,
        any_value(name) as name,
        any_value(place_type) as place_type,
        any_value(place) as place,
        any_value(borough) as borough
    from named_collisions
    group by named_as
),
in_one_borough as (
    select name, min(borough) as borough
    from names
    where place is not null
    group by name
    having count(borough) = 1
),
located as (
    select
        named_as,
        place_type,
        place,
        if(place is null, null, coalesce(names.borough, in_one_borough.borough)) as borough,
        names.borough is null and in_one_borough.borough is not null as is_other_name
    from names
    left join in_one_borough using (name)
)
select
    *,
    -- 60 bits of a digest that every version of DuckDB has
    if(place is null, 0, ('0x' || left(md5(concat_ws('|', place_type, place, borough)), 15))::bigint) as location_key
from located;

-- Grain: one row per place and way to name it: with its borough, or without where one borough alone has a place of this name.
create temp table places as
with in_one_borough as (
    select name, min(borough) as borough
    from place_names
    where place is not null
    group by name
    having count(borough) = 1
),
located as (
    select
        named_as,
        name,
        place_type,
        place,
        place_names.borough is not null as states_borough,
        if(place is null, null, coalesce(place_names.borough, in_one_borough.borough)) as borough,
        place_names.borough is null and in_one_borough.borough is not null as is_other_name
    from place_names
    left join in_one_borough using (name)
)
select
    *,
    -- 60 bits of a digest that every version of DuckDB has
    if(place is null, 0, ('0x' || left(md5(concat_ws('|', place_type, place, borough)), 15))::bigint) as location_key
from located;

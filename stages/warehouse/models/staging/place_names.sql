-- Grain: one row per name of a place and borough stated with it.
create temp table place_names as
with names as (
    select distinct place_type, place, if(place is null, null, borough) as borough
    from named_collisions
)
select
    hash(place_type, place) as name,
    hash(name, borough) as named_as,
    place_type,
    place,
    borough
from names;

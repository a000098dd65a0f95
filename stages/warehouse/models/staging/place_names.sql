-- Grain: one row per name of a place and borough stated with it.
create temp table place_names as
select
    named_as,
    any_value(name) as name,
    any_value(place_type) as place_type,
    any_value(place) as place,
    any_value(borough) as borough
from named_collisions
group by named_as;

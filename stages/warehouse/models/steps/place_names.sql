-- The names that the months to be rebuilt have or had, wherever they are in use: whether one borough alone has a place of
-- a name depends on collisions of all months.
create temp table touched_places as
select name
from named_collisions
union
select hash(place_type, place)
from dim_location
semi join (
    select location_key
    from fct_collisions
    where date_key // 100 in (from rebuilt_months)
) using (location_key);

create temp table place_names as
with of_other_months as (
    select distinct location_key, borough is not null as states_borough
    from fct_collisions
    semi join (
        select location_key
        from dim_location
        where hash(place_type, place) in (from touched_places)
    ) using (location_key)
    where date_key // 100 not in (from rebuilt_months)
),
names as (
    select place_type, place, if(place is null, null, borough) as borough
    from named_collisions
    union
    select place_type, place, if(states_borough, borough, null)
    from of_other_months
    join dim_location using (location_key)
)
select
    hash(place_type, place) as name,
    hash(name, borough) as named_as,
    place_type,
    place,
    borough
from names;

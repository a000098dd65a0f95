-- Grain: one row per place: an intersection, an address, a stretch of street or bare coordinates, within its borough.
create table dim_location as
with own_names as (
    select *, regexp_matches(place, '^\D|^\S+ (AVENUE|DRIVE|PLACE|ROAD|STREET)$') as without_number
    from places
    where not is_other_name
)
select
    location_key, -- derived from the type, the name and the borough, the same in every build; 0: not stated
    place_type, -- intersection, address, street (where nothing more is stated) or coordinates (where no street is stated)
    place, -- its name, such as AVENUE U × FLATBUSH AVENUE; coordinates are rounded to about 10 m
    borough, -- its borough; NULL where it is not known, or where several boroughs have the name and no collision says which
    case place_type
        when 'intersection' then split_part(place, ' × ', 1)
        when 'address' then if(without_number, place, substr(place, position(' ' in place) + 1))
        when 'street' then place
    end as street_1, -- the street; of an intersection the first in alphabetical order
    if(place_type = 'intersection', split_part(place, ' × ', 2), null) as street_2, -- the other street of an intersection
    if(place_type = 'address', place, null) as address -- house number and street
from own_names;

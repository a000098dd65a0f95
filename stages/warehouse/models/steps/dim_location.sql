-- A borough that has come or gone gives a place another key: collisions of other months that do not state one follow it.
update fct_collisions
set location_key = now.location_key
from dim_location as before, places as now
where fct_collisions.location_key = before.location_key
    and fct_collisions.borough is null
    and hash(before.place_type, before.place) = now.name
    and not now.states_borough
    and now.location_key <> before.location_key;

delete from dim_location
where hash(place_type, place) in (from touched_places);

-- Grain: one row per place as collisions name it. The same place has the same key in every build by the same DuckDB.
create table dim_location as
select distinct
    location_key, -- derived from the other columns; 0: not stated
    borough, -- the borough stated, else the one in which the coordinates lie
    zip_code, -- five digits, where stated
    on_street_name, -- street on which the collision happened
    cross_street_name, -- nearest cross street
    off_street_address, -- address, where it was not at a crossing
    latitude, -- degrees north, WGS84
    longitude -- degrees east, WGS84
from located_collisions;

-- Grain: one place as a collision names it (borough, ZIP code, streets, address, coordinates). Key 0 is "not stated"; the others
-- are a hash of the seven columns, the same in every build by the same version of DuckDB.
create table dim_location as
select distinct
    location_key,
    borough,
    zip_code,
    on_street_name,
    cross_street_name,
    off_street_address,
    latitude,
    longitude
from collisions;

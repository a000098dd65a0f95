-- Grain: one row per combination of published values of sex and licence of the driver → standard names.
create table dim_driver as
select
    driver_key, -- derived from the published values; 0: none is stated
    coalesce(any_value(driver_sex), 'Not stated') as driver_sex, -- sex of the driver, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(licence_status), 'Not stated') as licence_status, -- Licensed, Permit or Unlicensed, standard name; Unmapped where the vocabulary lacks the value
    coalesce(any_value(licence_state), 'Not stated') as licence_state, -- state that licensed the driver, standard name; Unmapped where the vocabulary lacks the value
    driver_sex_raw, -- sex of the driver, as published
    licence_status_raw, -- Licensed, Permit or Unlicensed, as published
    licence_state_raw -- state that licensed the driver, as published
from driver_values
group by driver_key, driver_sex_raw, licence_status_raw, licence_state_raw;

-- Published words that the vocabularies lack, of all datasets; add them in stages/datasets/: vehicle_types.py, vocabulary.py (factors), vehicles/makes.py, vehicles/menus.py, persons/menus.py.
with standard as (
    select 'vehicle_type' as dimension, vehicle_type_key as key, 'vehicle_type' as vocabulary, vehicle_type as name, raw_spelling
    from dim_vehicle_type
    union all select 'factor', contributing_factor_key, 'factor', contributing_factor, raw_spelling from dim_contributing_factor
    union all select 'make', vehicle_make_key, 'vehicle_make', vehicle_make, raw_spelling from dim_vehicle_make
    union all select 'state', state_key, 'registration_state', state, raw_code from dim_state
    union all select 'part', part_key, 'damage', part, raw_spelling from dim_vehicle_part
    union all select 'driver', driver_key, 'driver_sex', driver_sex, driver_sex_raw from dim_driver
    union all select 'driver', driver_key, 'licence_status', licence_status, licence_status_raw from dim_driver
    union all select 'driver', driver_key, 'licence_state', licence_state, licence_state_raw from dim_driver
    union all select 'movement', movement_key, 'pre_crash', pre_crash, pre_crash_raw from dim_movement
    union all select 'movement', movement_key, 'travel_direction', travel_direction, travel_direction_raw from dim_movement
    union all select 'movement', movement_key, 'point_of_impact', point_of_impact, point_of_impact_raw from dim_movement
    union all select 'profile', person_profile_key, 'person_type', person_type, person_type_raw from dim_person_profile
    union all select 'profile', person_profile_key, 'role', role, role_raw from dim_person_profile
    union all select 'profile', person_profile_key, 'sex', sex, sex_raw from dim_person_profile
    union all select 'harm', person_harm_key, 'injury', injury, injury_raw from dim_person_harm
    union all select 'harm', person_harm_key, 'body_part', body_part, body_part_raw from dim_person_harm
    union all select 'harm', person_harm_key, 'complaint', complaint, complaint_raw from dim_person_harm
    union all select 'harm', person_harm_key, 'emotional_status', emotional_status, emotional_status_raw from dim_person_harm
    union all select 'occupant', occupant_key, 'position', position, position_raw from dim_occupant
    union all select 'occupant', occupant_key, 'safety_equipment', safety_equipment, safety_equipment_raw from dim_occupant
    union all select 'occupant', occupant_key, 'ejection', ejection, ejection_raw from dim_occupant
    union all select 'pedestrian', pedestrian_key, 'ped_location', ped_location, ped_location_raw from dim_pedestrian
    union all select 'pedestrian', pedestrian_key, 'ped_action', ped_action, ped_action_raw from dim_pedestrian
),
records as (
    select 'vehicle_type' as dimension, vehicle_type_key as key, date_key from fct_collision_vehicles
    union all select 'factor', contributing_factor_key, date_key from fct_collision_vehicles
    union all select 'vehicle_type', vehicle_type_key, date_key from fct_vehicles
    union all select 'factor', contributing_factor_1_key, date_key from fct_vehicles
    union all select 'factor', contributing_factor_2_key, date_key from fct_vehicles
    union all select 'make', vehicle_make_key, date_key from fct_vehicles
    union all select 'state', registration_state_key, date_key from fct_vehicles
    union all select 'driver', driver_key, date_key from fct_vehicles
    union all select 'movement', movement_key, date_key from fct_vehicles
    union all select 'part', damage_1_key, date_key from fct_vehicles
    union all select 'part', damage_2_key, date_key from fct_vehicles
    union all select 'part', damage_3_key, date_key from fct_vehicles
    union all select 'part', damage_4_key, date_key from fct_vehicles
    union all select 'factor', contributing_factor_1_key, date_key from fct_persons
    union all select 'factor', contributing_factor_2_key, date_key from fct_persons
    union all select 'profile', person_profile_key, date_key from fct_persons
    union all select 'harm', person_harm_key, date_key from fct_persons
    union all select 'occupant', occupant_key, date_key from fct_persons
    union all select 'pedestrian', pedestrian_key, date_key from fct_persons
)
select vocabulary, raw_spelling, count(date_key) as records, min(date) as first_seen, max(date) as last_seen
from standard
left join records using (dimension, key)
left join dim_date using (date_key)
where name = 'Unmapped'
group by vocabulary, raw_spelling
order by records desc, vocabulary, raw_spelling;

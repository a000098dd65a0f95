-- Published words that the vocabularies lack, of all datasets; add them in stages/datasets/: vehicle_types.py, vocabulary.py (factors), vehicles/makes.py, vehicles/menus.py, persons/menus.py.
with unmapped as (
    select 'vehicle_type' as dimension, vehicle_type_key as key, 'vehicle type' as vocabulary, raw_spelling
    from dim_vehicle_type where vehicle_type = 'Unmapped'
    union all select 'factor', contributing_factor_key, 'factor', raw_spelling
    from dim_contributing_factor where contributing_factor = 'Unmapped'
    union all select 'make', vehicle_make_key, 'vehicle_make', raw_spelling
    from dim_vehicle_make where vehicle_make = 'Unmapped'
    union all select 'state', state_key, 'registration_state', raw_code from dim_state where state = 'Unmapped'
    union all select 'driver', driver_key, 'driver_sex', driver_sex_raw from dim_driver where driver_sex = 'Unmapped'
    union all select 'driver', driver_key, 'licence_status', licence_status_raw
    from dim_driver where licence_status = 'Unmapped'
    union all select 'driver', driver_key, 'licence_state', licence_state_raw
    from dim_driver where licence_state = 'Unmapped'
    union all select 'movement', movement_key, 'pre_crash', pre_crash_raw
    from dim_movement where pre_crash = 'Unmapped'
    union all select 'movement', movement_key, 'travel_direction', travel_direction_raw
    from dim_movement where travel_direction = 'Unmapped'
    union all select 'movement', movement_key, 'point_of_impact', point_of_impact_raw
    from dim_movement where point_of_impact = 'Unmapped'
    union all select 'part', part_key, 'damage', raw_spelling from dim_vehicle_part where part = 'Unmapped'
    union all select 'profile', person_profile_key, 'person_type', person_type_raw
    from dim_person_profile where person_type = 'Unmapped'
    union all select 'profile', person_profile_key, 'role', role_raw from dim_person_profile where role = 'Unmapped'
    union all select 'profile', person_profile_key, 'sex', sex_raw from dim_person_profile where sex = 'Unmapped'
    union all select 'harm', person_harm_key, 'injury', injury_raw from dim_person_harm where injury = 'Unmapped'
    union all select 'harm', person_harm_key, 'body_part', body_part_raw
    from dim_person_harm where body_part = 'Unmapped'
    union all select 'harm', person_harm_key, 'complaint', complaint_raw
    from dim_person_harm where complaint = 'Unmapped'
    union all select 'harm', person_harm_key, 'emotional_status', emotional_status_raw
    from dim_person_harm where emotional_status = 'Unmapped'
    union all select 'occupant', occupant_key, 'position', position_raw
    from dim_occupant where position = 'Unmapped'
    union all select 'occupant', occupant_key, 'safety_equipment', safety_equipment_raw
    from dim_occupant where safety_equipment = 'Unmapped'
    union all select 'occupant', occupant_key, 'ejection', ejection_raw
    from dim_occupant where ejection = 'Unmapped'
    union all select 'pedestrian', pedestrian_key, 'ped_location', ped_location_raw
    from dim_pedestrian where ped_location = 'Unmapped'
    union all select 'pedestrian', pedestrian_key, 'ped_action', ped_action_raw
    from dim_pedestrian where ped_action = 'Unmapped'
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
from unmapped
left join records using (dimension, key)
left join dim_date using (date_key)
group by vocabulary, raw_spelling
order by records desc, vocabulary, raw_spelling;

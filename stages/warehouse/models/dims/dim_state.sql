-- Grain: one row per published code of a state that registers vehicles → state.
create table dim_state as
select
    registration_state_key as state_key, -- derived from the code; 0: not stated
    registration_state_raw as raw_code, -- as published
    coalesce(any_value(registration_state), 'Not stated') as state -- name of the state, province or country; Unmapped where the vocabulary lacks the code
from state_values
group by registration_state_key, registration_state_raw;

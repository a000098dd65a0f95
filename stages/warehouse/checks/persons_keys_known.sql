-- Check: every key is in its dimension
-- Table: fct_persons
-- Severity: error
select 'dim_person_profile' as dimension, unique_id from fct_persons anti join dim_person_profile using (person_profile_key)
union all
select 'dim_person_harm', unique_id from fct_persons anti join dim_person_harm using (person_harm_key)
union all
select 'dim_occupant', unique_id from fct_persons anti join dim_occupant using (occupant_key)
union all
select 'dim_pedestrian', unique_id from fct_persons anti join dim_pedestrian using (pedestrian_key)
union all
select 'dim_contributing_factor', unique_id
from fct_persons
anti join dim_contributing_factor on contributing_factor_key = contributing_factor_1_key
union all
select 'dim_contributing_factor', unique_id
from fct_persons
anti join dim_contributing_factor on contributing_factor_key = contributing_factor_2_key;

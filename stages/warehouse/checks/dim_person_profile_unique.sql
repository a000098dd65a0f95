-- Check: person_profile_key is unique and not null
-- Table: dim_person_profile
-- Severity: error
select person_profile_key, count(*) as rows
from dim_person_profile
group by person_profile_key
having count(*) > 1 or person_profile_key is null;

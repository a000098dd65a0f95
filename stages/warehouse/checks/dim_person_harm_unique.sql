-- Check: person_harm_key is unique and not null
-- Table: dim_person_harm
-- Severity: error
select person_harm_key, count(*) as rows
from dim_person_harm
group by person_harm_key
having count(*) > 1 or person_harm_key is null;

-- Check: states are in the vocabulary
-- Table: fct_inspections
-- Severity: warning
select *
from fct_inspections
where state = 'unknown';

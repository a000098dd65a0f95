-- Check: rows in = rows out + quarantined + superseded
-- Table: meta_stages
-- Severity: error
select *
from meta_stages
where rows_in <> rows_out + quarantined + superseded;

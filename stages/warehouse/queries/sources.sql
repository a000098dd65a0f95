-- The landed files that the warehouse was built from.
select file, form, rows, quarantined, extracted_at, first_month, last_month
from meta_sources
order by extracted_at, file;

-- The landed files, and how much of each is in the warehouse.
-- Shown: file[9:] || if(removed_at is null, '', ' (removed)') as file, rows, in_warehouse, quarantined, left_in_landing + unfinished as waiting, superseded
select
    file, form, rows, in_warehouse, quarantined, left_in_landing, unfinished,
    if(removed_at is null, greatest(0, rows - in_warehouse - quarantined - left_in_landing - unfinished), 0) as superseded,
    extracted_at, first_month, last_month, removed_at
from meta_sources
order by extracted_at, file;

-- What the city revised: each changed field of a published record, and the records added later, newest first.
select dataset, key, field, old, new, first_seen, source
from meta_revisions
order by first_seen desc, dataset, key, field;

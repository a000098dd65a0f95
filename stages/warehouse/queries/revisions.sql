-- What the city revised: each changed field of a published record, newest first; and records added later, of dates that a fetched file covers (files landed by hand do not say what they cover).
-- Shown: dataset, key, field, cut(old, 18) as old, cut(new, 18) as new, first_seen
select dataset, key, field, old, new, first_seen, source
from meta_revisions
order by first_seen desc, dataset, key, field;

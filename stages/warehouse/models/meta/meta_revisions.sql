-- Grain: one row per record, field and landed file that first showed another value of it. Times are UTC.
create table meta_revisions (
    dataset varchar, -- the dataset
    key varchar, -- the record's key
    field varchar, -- the clean layer's column; where it is the key: a record that an earlier extraction of its date lacked
    old varchar, -- the value before; NULL: unknown, or there was no such record
    new varchar, -- the value since then; NULL: unknown
    first_seen timestamp, -- the extraction that first showed the new value
    source varchar -- the landed file of that extraction (its name, made safe for a key)
);

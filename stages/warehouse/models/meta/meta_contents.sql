-- Grain: one row per landed file and month of which the warehouse holds rows.
create table meta_contents (
    dataset varchar, -- the dataset
    source varchar, -- the landed file (its name, made safe for a key)
    month varchar, -- YYYY-MM
    rows bigint, -- rows of the dataset's first fact that come from it
    newest_date date -- the newest date among them
);

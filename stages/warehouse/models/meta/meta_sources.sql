-- Grain: one row per file that is or was landed and that the raw layer has read. Times are UTC.
create table meta_sources (
    dataset varchar, -- the dataset
    file varchar, -- its key in the lake
    etag varchar, -- the store's fingerprint of its content
    form varchar, -- the published form that it was read as, and how the file differs from it, if it does
    bytes bigint, -- its size
    rows bigint, -- rows in it, those rejected included
    quarantined bigint, -- rows that a stage rejected
    left_in_landing bigint, -- rows of months that no run has taken in yet
    unfinished bigint, -- rows of months whose last change no finished run has carried here yet
    in_warehouse bigint, -- rows that the warehouse holds; of a file still in landing, the rows that no column here counts are superseded by newer versions
    extracted_at timestamp, -- its extraction time, which is the version of its records
    source_newest date, -- newest date that its whole source had when it was fetched; NULL: it was landed by hand
    removed_at timestamp, -- when a run found that it is no longer in landing; NULL: it still is
    first_month varchar, -- first month of its rows, YYYY-MM
    last_month varchar, -- last month of its rows, YYYY-MM
    unknown_columns varchar -- columns that the form does not have; they stay in the raw layer
);

-- Grain: one row per stage of a run and dataset, the row ledger: rows_in = rows_out + quarantined + superseded. Times are UTC.
create table meta_stages (
    run_id varchar, -- the run
    stage varchar, -- the stage
    dataset varchar, -- the dataset
    rows_in bigint, -- rows that it read
    rows_out bigint, -- rows that it passed on
    quarantined bigint, -- rows that it rejected
    superseded bigint, -- rows that a newer version replaced
    files bigint, -- objects that it left in the lake
    bytes bigint, -- their size; NULL for the warehouse, which contains this row
    started_at timestamp, -- when it began
    seconds double, -- how long it took, that of model_analytics until this row was written; ingest_raw and model_analytics work on all datasets at once
    image varchar, -- the image that it ran in
    code_version varchar -- the version of its code
);

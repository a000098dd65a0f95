-- Grain: one stage of a run and dataset: the row ledger. rows_in = rows_out + quarantined + superseded. Times are UTC.
create table meta_stages (
    run_id varchar,
    stage varchar,
    dataset varchar,
    rows_in bigint,
    rows_out bigint,
    quarantined bigint,
    superseded bigint,
    files bigint,
    bytes bigint,
    started_at timestamp,
    seconds double,
    image varchar,
    code_version varchar
);

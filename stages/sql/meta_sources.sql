-- Grain: one landed file that the raw layer has read. Its version is extracted_at (UTC). Months are YYYY-MM.
create table meta_sources (
    dataset varchar,
    file varchar,
    etag varchar,
    form varchar,
    bytes bigint,
    rows bigint,
    quarantined bigint,
    extracted_at timestamp,
    first_month varchar,
    last_month varchar,
    unknown_columns varchar
);

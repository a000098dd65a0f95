-- Grain: one run of the pipeline. The scope is [scope_start, scope_end); NULL is an open end. Times are UTC.
create table meta_runs (
    run_id varchar,
    scope_start date,
    scope_end date,
    started_at timestamp
);

-- Grain: one row per run of the pipeline. Times are UTC.
create table meta_runs (
    run_id varchar, -- the run
    scope_start date, -- first date of its scope; NULL: no limit
    scope_end date, -- day after the last date of its scope; NULL: no limit
    started_at timestamp -- when its first stage began
);

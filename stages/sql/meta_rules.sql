-- Grain: one rule of a stage of a run and dataset, and how many rows it turned away or changed.
create table meta_rules (
    run_id varchar,
    stage varchar,
    dataset varchar,
    rule varchar,
    rows bigint
);

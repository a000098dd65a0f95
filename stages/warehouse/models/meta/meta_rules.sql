-- Grain: one row per rule of a stage of a run and dataset: how many rows it rejected or changed.
create table meta_rules (
    run_id varchar, -- the run
    stage varchar, -- the stage
    dataset varchar, -- the dataset
    rule varchar, -- the rule, as the data dictionary names it
    rows bigint -- rows that it rejected, replaced, or changed a value of
);

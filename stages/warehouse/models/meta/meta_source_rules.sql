-- Grain: one row per stage of a run, landed file, column and rule: how many of the file's rows or values it affected.
create table meta_source_rules (
    run_id varchar, -- the run
    stage varchar, -- the stage
    dataset varchar, -- the dataset
    source varchar, -- the landed file (its name, made safe for a key)
    column_name varchar, -- the column whose values it left unknown; NULL: it rejected the whole row
    rule varchar, -- the rule, as the data dictionary names it
    rows bigint -- rows rejected, or values left unknown
);

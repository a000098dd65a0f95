-- Grain: one row per check of this build. If an error fails, nothing is published; a warning is only reported.
create table meta_quality (
    check_name varchar, -- what must hold
    table_name varchar, -- of which table
    severity varchar, -- error or warning
    failures bigint, -- rows that break it
    passed boolean -- true if there are none
);

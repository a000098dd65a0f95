-- Grain: one row per check of this build. An error stops publication; a warning is only reported.
create table meta_quality (
    check_name varchar, -- what must hold
    table_name varchar, -- of which table
    severity varchar, -- error or warning
    failures bigint, -- rows that break it: those that the check returns
    passed boolean -- true if there are none
);

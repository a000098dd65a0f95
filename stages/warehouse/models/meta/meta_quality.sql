-- Grain: one row per check of this build. An error publishes nothing; a warning is only shown.
create table meta_quality (
    check_name varchar, -- what must hold
    table_name varchar, -- of which table
    severity varchar, -- error or warning
    failures bigint, -- rows that break it
    passed boolean -- whether none does
);

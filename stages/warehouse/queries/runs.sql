-- The runs on record when the warehouse was published, newest first; a warning names the last that has failed since.
with by_stage as (
    select
        run_id, stage,
        if(stage in ('ingest_raw', 'model_analytics'), max(seconds), sum(seconds)) as took -- these work on all datasets at once
    from meta_stages
    group by run_id, stage
)
select run_id, scope_start, scope_end, started_at, count(*) as stages, round(sum(took), 1) as seconds
from meta_runs
join by_stage using (run_id)
group by all
order by started_at desc;

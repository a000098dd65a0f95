-- What the newest run that read any rows did with every row, stage by stage; scripts/query runs lists all runs. (For the last model_analytics, seconds up to when it wrote this record.)
-- Shown: cut(run_id, 27) as run_id, stage, dataset, rows_in, rows_out, quarantined, superseded, seconds
select run_id, stage, dataset, rows_in, rows_out, quarantined, superseded, files, seconds
from meta_stages
where run_id = (
    select run_id
    from meta_stages
    join meta_runs using (run_id)
    where rows_in > 0 and stage <> 'model_analytics' -- which always reads everything
    order by meta_runs.started_at desc
    limit 1
)
order by started_at;

-- Why rows of the newest run that read any were rejected, replaced, or had a value set to unknown.
select run_id, stage, dataset, rule, rows
from meta_rules
where run_id = (
    select run_id
    from meta_stages
    join meta_runs using (run_id)
    where rows_in > 0 and stage <> 'model_analytics' -- which always reads everything
    order by meta_runs.started_at desc
    limit 1
)
order by stage, dataset, rows desc, rule;

-- Why rows of the newest run that read any were rejected, replaced, or had a value set to unknown.
-- Shown: stage, dataset, rule, outcome, rows
with newest as (
    select run_id
    from meta_stages
    join meta_runs using (run_id)
    where rows_in > 0 and stage <> 'model_analytics' -- which always reads everything
    order by meta_runs.started_at desc
    limit 1
),
of_rows as (
    select
        stage, dataset, rule,
        string_agg(distinct if(column_name is null, 'row rejected', 'value unknown'), ', ' order by 1) as outcome
    from meta_source_rules
    join newest using (run_id)
    group by all
)
select
    run_id, stage, dataset, rule,
    case
        when rule = 'landed_file_removed' then 'landed file removed'
        when starts_with(rule, 'superseded') then 'older version replaced'
        when stage = 'ingest_raw' then 'row rejected' -- also of files that it did not read again
        else of_rows.outcome
    end as outcome,
    rows
from meta_rules
join newest using (run_id)
left join of_rows using (stage, dataset, rule)
order by stage, dataset, outcome, rows desc, rule;

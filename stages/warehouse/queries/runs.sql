-- The runs on record when the warehouse was published, newest first; a run that failed since then is not among them.
select run_id, scope_start, scope_end, meta_runs.started_at, count(*) as stages, sum(seconds) as seconds
from meta_runs
join meta_stages using (run_id)
group by all
order by meta_runs.started_at desc;

-- What the latest run did with every row, stage by stage.
select stage, dataset, rows_in, rows_out, quarantined, superseded, files, seconds
from meta_stages
where run_id = (select run_id from meta_runs order by started_at desc limit 1)
order by started_at;

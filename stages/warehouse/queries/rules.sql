-- Why rows of the latest run were rejected, replaced, or had a value set to unknown.
select stage, rule, rows
from meta_rules
where run_id = (select run_id from meta_runs order by started_at desc limit 1)
order by stage, rows desc, rule;

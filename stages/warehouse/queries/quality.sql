-- Every check of the published build, those that failed first; a warning names a run that has failed since, and why.
select severity, table_name, check_name, failures, passed
from meta_quality
order by passed, severity, table_name, check_name;

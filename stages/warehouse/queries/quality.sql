-- Every check of the published build, those that failed first; of a build that was not published its log says which.
select severity, table_name, check_name, failures, passed
from meta_quality
order by passed, severity, table_name, check_name;

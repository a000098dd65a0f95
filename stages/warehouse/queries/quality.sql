-- Every check of the published build, those that failed first; a warning names a run that has failed since, and why.
-- Shown: severity, table_name, cut(check_name, 58) as check_name, failures, passed
select severity, table_name, check_name, failures, passed
from meta_quality
order by passed, severity, table_name, check_name;

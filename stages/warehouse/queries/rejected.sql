-- The rejected rows now in quarantine: stage, landed file, line, reason and the row's text.
select stage, dataset, source, line, reason, text
from rejected_rows
order by stage desc, dataset, source, line;

-- The rejected rows now in quarantine: stage, landed file, line, reason and the row's text.
-- Shown: coalesce(file[9:], source) as file, line, reason, cut(text, 36) as text
select stage, dataset, source, file, line, reason, text
from rejected_rows
order by stage desc, dataset, source, line;

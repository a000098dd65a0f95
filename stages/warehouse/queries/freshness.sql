-- Is the published data fresh: when the warehouse was published, each dataset's newest record and its age, its newest file, how new its source was when last fetched. Times are UTC.
-- Shown: dataset, newest_record, record_days_old, rows, file_days_old, source_days_old, published_hours_ago
with today as (
    select (current_timestamp at time zone 'UTC')::date as today, current_timestamp at time zone 'UTC' as now
),
published as (
    select max(started_at + to_seconds(seconds)) as last_published
    from meta_stages
    where stage = 'model_analytics'
),
files as (
    select
        dataset,
        arg_max(file, extracted_at) filter (where rows > 0) as newest_file,
        max(extracted_at) filter (where rows > 0) as extracted_at,
        arg_max(source_newest, extracted_at) as source_newest
    from meta_sources
    where removed_at is null
    group by dataset
),
contents as (
    select dataset, max(newest_date) as newest_record, sum(rows)::bigint as rows
    from meta_contents
    group by dataset
)
select
    dataset, newest_record, date_diff('day', newest_record, today) as record_days_old, rows,
    newest_file, extracted_at, date_diff('day', extracted_at, now) as file_days_old,
    source_newest, date_diff('day', source_newest, today) as source_days_old,
    last_published, date_diff('hour', last_published, now) as published_hours_ago
from today, published, files
left join contents using (dataset)
order by dataset;

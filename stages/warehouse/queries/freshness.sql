-- Is the published data fresh: when the warehouse was published, its newest collision and that one's age, each dataset's newest file, how new its source was when last fetched. Times are UTC.
with published as (
    select
        max(started_at) as last_published,
        date_diff('hour', max(started_at), current_timestamp at time zone 'UTC') as hours_ago
    from meta_stages
    where stage = 'model_analytics'
),
files as (
    select
        dataset,
        arg_max(file, extracted_at) as newest_file,
        max(extracted_at) as extracted_at,
        arg_max(source_newest, extracted_at) as source_newest
    from meta_sources
    where removed_at is null
    group by dataset
),
months as (
    select dataset, max(month) as newest_month, sum(rows)::bigint as rows
    from meta_contents
    group by dataset
),
collisions as (
    select max(date) as newest_collision
    from fct_collisions
    join dim_date using (date_key)
)
select
    dataset, newest_month, rows, newest_file, extracted_at,
    date_diff('day', extracted_at, current_timestamp at time zone 'UTC') as file_days_old,
    source_newest, date_diff('day', source_newest, (current_timestamp at time zone 'UTC')::date) as source_days_old,
    newest_collision, date_diff('day', newest_collision, (current_timestamp at time zone 'UTC')::date) as collision_days_old,
    last_published, hours_ago
from published, collisions, files
left join months using (dataset)
order by dataset;

-- Check: no month has less than a third or more than three times the usual number of collisions of the 12 months around it
-- Table: fct_collisions
-- Severity: warning
with months as (
    select date_trunc('month', date) as month, sum(collisions) as collisions
    from collisions_by_day
    group by month
),
compared as (
    select
        month,
        collisions,
        median(collisions) over around as usual,
        count(nullif(collisions, 0)) over around as months_with_collisions
    from months
    window around as (order by month rows between 6 preceding and 6 following exclude current row)
)
select strftime(month, '%Y-%m') as month, collisions::bigint as collisions, usual
from compared
where months_with_collisions >= 8 and usual >= 100 and (collisions < usual / 3 or collisions > usual * 3)
order by month;

-- Casualties by age and role of a year.
-- year: such as 2025, or all
select
    case
        when age is null then 'not stated'
        when age >= 85 then '85+'
        else format('{:02d}-{:02d}', age // 10 * 10, least(age // 10 * 10 + 9, 84))
    end as age_group,
    role,
    sum(injured)::bigint as injured,
    sum(killed)::bigint as killed
from persons
where (injured = 1 or killed = 1) and ($year = 'all' or year = cast(nullif($year, 'all') as integer))
group by all
order by age_group, injured desc, role;

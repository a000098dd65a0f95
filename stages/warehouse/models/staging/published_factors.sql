-- Grain: one row per published spelling of a contributing factor and where it is named.
create temp view published_factors as
select contributing_factor_key, contributing_factor_raw, contributing_factor, factor_group from factor_spellings
union all
select contributing_factor_key, contributing_factor_raw, contributing_factor, factor_group from person_factors
union all
select contributing_factor_key, contributing_factor_raw, contributing_factor, factor_group from vehicle_factors;

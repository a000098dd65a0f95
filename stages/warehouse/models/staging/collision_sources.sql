-- Grain: one row per landed file of collisions.
create temp view collision_sources as
from meta_sources
where dataset = 'crashes';

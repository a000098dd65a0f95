"""The DuckDB warehouse: models, checks and ready queries as SQL files, and what builds, checks and queries it."""

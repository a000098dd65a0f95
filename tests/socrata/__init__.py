"""A server that behaves like the city's API, and misbehaves on order: for tests, and to see fetching at work offline.

`PYTHONPATH=.:scripts:tests .venv/bin/python -m socrata [FILE.csv …]`, at the repository's root, serves files or a
generated sample; `scripts/demo --source` runs the pipeline against it.
"""

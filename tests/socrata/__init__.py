"""A server that behaves like the city's API, and misbehaves on order: for tests, and to see fetching at work offline.

`python -m socrata --port 8070 crashes=FILE.csv` serves files (from tests/, with the repository on PYTHONPATH).
"""

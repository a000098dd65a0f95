"""The four stages of the collisions pipeline; `python -m stages --help` lists them."""

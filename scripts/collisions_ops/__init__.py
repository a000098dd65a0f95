"""What a person runs: the commands behind scripts/."""

"""What operators run: the cluster, the embedded runtime, and the measurements of both. `scripts/NAME` calls it."""

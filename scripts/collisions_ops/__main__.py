"""`python -m collisions_ops COMMAND …`: what scripts/COMMAND runs."""

import os
import sys

try:
    from collisions_ops.cli import main
except ImportError as error:
    sys.exit(f"error: the environment {sys.prefix} is damaged ({error}): delete it, and it is made again")

sys.exit(main(sys.argv[1:], os.environ))

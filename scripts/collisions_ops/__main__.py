"""`python -m collisions_ops COMMAND …`: what scripts/COMMAND runs."""

import os
import sys

from collisions_ops.cli import main

sys.exit(main(sys.argv[1:], os.environ))

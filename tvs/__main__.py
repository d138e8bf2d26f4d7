"""`python -m tvs` is the `tvs` command."""

import sys

from tvs.cli.main import main

sys.exit(main())

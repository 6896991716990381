"""``python -m tools.e2e``."""

import sys

from tools.e2e.command import main

sys.exit(main())

"""``python -m neptune`` is ``neptune-reasoner``."""

import sys

from neptune.cli import main

if __name__ == "__main__":
    sys.exit(main())

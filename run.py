"""Run the program from a checkout: ``python run.py --config configs/demo.json [--field value …]``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from neptune.cli import main

if __name__ == "__main__":
    sys.exit(main())

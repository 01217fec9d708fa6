"""The documentation site, the impact report and the runner are outside the library."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

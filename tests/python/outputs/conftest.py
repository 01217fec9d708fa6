"""The documentation site, the report of an impact and the runner are beside the library."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

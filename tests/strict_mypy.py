"""mypy as users run it on code that uses callflows."""

import sys
from pathlib import Path

STRICT_MYPY = (
    *(sys.executable, "-m", "mypy", "--config-file", str(Path(__file__).with_suffix(".ini"))),
    # One cache for all tests, since the first run reads the whole package.
    *("--cache-dir", str(Path(__file__).parents[1] / ".mypy_cache" / "examples")),
)

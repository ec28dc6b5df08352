"""``python -m callflows``."""

from __future__ import annotations

from callflows.cli import main

main()

"""The modules that workers share. Importing them once, before the fork, is all that this module does."""

from __future__ import annotations

import gc

import callflows.cli.root_commands
import callflows.server  # noqa: F401 - loaded for its memory

# A collection would write into the shared pages of each worker, which makes them its own.
gc.collect()
gc.freeze()

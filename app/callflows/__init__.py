"""Public API for flow authors: the verbs, document reading and writing, and the decorator for Python flows."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it: the import of typing would delay every command

if TYPE_CHECKING:
    from callflows import language
    from callflows.flows.python_flow import flow
    from callflows.language import *  # noqa: F403 - its list of names is not repeated here
    from callflows.telephony.turn import Turn

    __all__ = ["Turn", "flow"]
    __all__ += language.__all__
else:
    import importlib

    _OTHER_NAMES = {"Turn": "callflows.telephony.turn", "flow": "callflows.flows.python_flow"}

    def __getattr__(name: str) -> object:
        """Import a name when it is first used: pytest imports this package wherever callflows is installed."""
        if name in _OTHER_NAMES:
            return getattr(importlib.import_module(_OTHER_NAMES[name]), name)
        language = importlib.import_module("callflows.language")
        if name == "__all__":
            return [*_OTHER_NAMES, *language.__all__]
        if name in language.__all__:
            return getattr(language, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What a flow keeps under names while a call lasts: plain values, and nothing where nothing was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Never


class MissingValue:
    """What a field is that looked-up data lacks, and a value that was never set: false, empty, equal to nothing said."""

    __slots__ = ()
    FIELDS: Final[frozenset[str]] = frozenset()

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, MissingValue) or other == ""

    def __hash__(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Never]:
        return iter(())

    def __contains__(self, _value: object) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"

    def _compare_as_false(self, _other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _compare_as_false


MISSING: Final = MissingValue()


class Variables(dict[str, Any]):
    """What was set, collected or looked up, by name; what was not is nothing."""

    __slots__ = ()

    def __missing__(self, _name: str) -> MissingValue:
        return MISSING


NO_VARIABLES: Final = Variables()

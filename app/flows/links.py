"""The signed URLs by which a call comes back to the nodes of a flow, and what travels in them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from app.calls import BEGAN
from app.flows.book import Entry
from app.kept import Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from app.calls import Turn
    from app.flows.pieces import Hole
    from app.flows.places import Path
    from app.flows.reach import Reach
    from app.flows.tickets import Signer
    from app.language import Dialect

_CALL: Final = ("call", "from", "to")
"""What a classic Gather's callback does not tell: which call it is, and who is in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What is known of a value that a step keeps: ``written`` is JSON that is no longer than the value may be.

    It is got at the step ``at`` of a node; ``step`` is the first that may carry it.
    """

    name: str
    written: str
    node: str
    at: int
    step: int
    path: Path

    @property
    def value(self) -> Any:  # noqa: ANN401 - plain data
        """It."""
        return json.loads(self.written)


class Links:
    """Those of one flow. ``wanted`` are the documents that they lead to.

    ``carries`` has for each node the fields of the request that its tickets carry, ``keeps`` the values that were set and,
    of each, the fields (all of it where there are none).
    """

    def __init__(self, flow: str, signer: Signer, secrets: AbstractSet[str]) -> None:
        self._flow = flow
        self._signer = signer
        self._secrets = secrets
        self._made: dict[tuple[str, Entry], Hole] = {}
        self.wanted: set[tuple[str, Entry]] = set()
        self.carries: dict[str, tuple[str, ...]] = {}
        self.keeps: dict[str, dict[str, tuple[str, ...]]] = {}
        self.known: list[Known] = []

    def load(self, nodes: Iterable[str], reach: Reach, dialect: Dialect) -> None:
        """Work out what the tickets of each node must carry; where they lead is known by now."""
        untold = (*_CALL, BEGAN) if dialect == "classic" else (BEGAN,)
        for node in nodes:
            self.carries[node] = tuple(sorted({*reach.carried(node), *untold}))
            self.keeps[node] = reach.kept(node)

    def size(self, node: str, known: Iterable[Known], version: str) -> int:
        """Bytes of what is known in a node's tickets, but for what requests tell; of values with one name the last."""
        values = Values({one.name: one.value for one in known})
        return self._signer.size(f"{self._flow}/{node}", {"v": version}, _kept(values, self.keeps[node]), self._secrets)

    def url(self, node: str, entry: Entry, version: str) -> Hole:
        """The signed URL of a node, as it stands in an attribute; the same hole wherever it stands."""
        made = self._made.get((node, entry))
        if made is None:
            self.wanted.add((node, entry))
            made = self._made[node, entry] = self._signed(node, entry, version)
        return made

    def _signed(self, node: str, entry: Entry, version: str) -> Hole:
        path = f"/call/{self._flow}/{node}?ticket="
        state: dict[str, Any] = {"v": version}
        if entry != Entry(answered=True):
            state["e"] = (*map(int, entry[: 4 if entry.given else 3]),)
        ticket = self._signer.tickets(f"{self._flow}/{node}", state)
        carries, keeps, secrets = self.carries, self.keeps, self._secrets
        asks = not entry.answered

        def hole(turn: Turn) -> str:
            told = turn.told
            carried = {name: told[name] for name in carries[node] if told.get(name)}
            if asks and turn.answers_itself is not None:
                carried["itself"] = "1" if turn.answers_itself else ""
            kept = _kept(turn.values, keeps[node]) if keeps[node] else {}
            return f"{turn.base}{path}{ticket(carried, kept, secrets)}"

        return hole


def _kept(values: Values, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Of what was set, what is used later."""
    kept = {}
    for name, fields in names.items():
        if name in values:
            value = values[name]
            narrow = fields and isinstance(value, dict)
            kept[name] = {field: value[field] for field in fields if field in value} if narrow else value
    return kept

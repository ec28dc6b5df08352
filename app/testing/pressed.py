"""What the caller of a remembered call pressed.

Keys that ask us for the next document come with that request. Of keys within one document we are told nothing: they are
worked out from what Opentact executed, from where the call came next, and from who was rung; where none tells, they
are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from app.errors import CallflowsError
from app.language import Callback, Dial, Gather, Hangup, from_xml
from app.language.dialects import BRANCHES
from app.language.element import paths
from app.numbers import plain
from app.rehearsal.callers import HangUp, Press

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.language.element import Element
    from app.rehearsal.callers import Act


class Pressed(NamedTuple):
    """What was pressed; ``unknown`` says from where on that is not known, where the caller of ``acts`` hangs up."""

    acts: list[Act]
    unknown: str = ""


class _Unknown(Exception):
    """Whether and what was pressed is not known: where."""


def pressed(story: Mapping[str, Any]) -> Pressed:
    """What the caller of a story (of the journal) pressed, as far as it tells."""
    acts: list[Act] = []
    entries = story["story"]
    asked = [entry for entry in entries if entry["what"] == "asked"]
    documents = {entry["turn"]: entry["document"] for entry in entries if entry["what"] == "answered"}
    reported = [entry for entry in entries if entry["what"] == "reported" and "turn" in entry]
    ran = {(entry["turn"], entry["step"].get("path", "")) for entry in reported}
    legs = [(leg["to"], bool(leg["answered"])) for leg in story["legs"]]
    try:
        for number, entry in enumerate(asked, 1):
            if number > 1 and came_of_keys(entry):
                acts.append(Press(_keys(entry, number)))
            steps = {path for turn, path in ran if turn == number}
            following = asked[number]["url"].partition("?")[0] if number < len(asked) else ""
            _Document(steps, following, legs, number, acts).read(documents[number])
    except _Unknown as where:
        return Pressed([*acts, HangUp()], str(where))
    return Pressed(acts)


def came_of_keys(asked: Mapping[str, Any]) -> bool:
    """Whether a request came of a Gather, pressed or not, and not of a Callback."""
    told = parse_qsl(urlsplit(asked["url"]).query, keep_blank_values=True)
    return any(name in ("dtmf", "code") for name, _ in told)


def _keys(asked: Mapping[str, Any], number: int) -> str:
    keys = str(asked["pressed"])
    if keys.strip("0123456789*#"):
        raise _Unknown(f"what was pressed before turn {number} is secret")
    return keys


def is_target(target: str, rung: str) -> bool:
    """Whether whom Opentact rang is a target, of which it may only say the name."""
    wanted, found = plain(target), plain(rung)
    return bool(found) and found in (wanted, wanted.partition("@")[0])


def targets(element: Element) -> Iterator[str]:
    """Who is dialled within an element."""
    for _, inner in [("", element), *paths(element)]:
        if isinstance(inner, Dial):
            yield from (str(to.attributes.get("target", "")) for to in inner.children if to.row.name == "To")


def _leads_to(element: Element, place: str) -> bool:
    """Whether a document of a place is fetched within an element."""
    urls = (str(inner.attributes.get("url", "")) for _, inner in [("", element), *paths(element)])
    return bool(place) and any(url.partition("?")[0].endswith(place) for url in urls)


class _Document:
    """A document that was answered, and what is known of how it went: the steps that ran, where the call came next."""

    def __init__(
        self, steps: set[str], following: str, legs: Sequence[tuple[str, bool]], number: int, acts: list[Act]
    ) -> None:
        self._steps = steps
        self._following = following
        self._legs = legs
        self._number = number
        self._acts = acts

    def read(self, document: str) -> None:
        """Press what was pressed in it. Raises _Unknown."""
        try:
            response = from_xml(document.encode())
        except CallflowsError:
            raise _Unknown(f"the document of turn {self._number} cannot be read") from None
        self._through(response.children, "")

    def _through(self, commands: Sequence[Element], start: str) -> bool:
        """Press what was pressed in some commands; whether the call goes on behind them."""
        for index, command in enumerate(commands):
            path = f"{start}{command.row.name}[{index}]"
            if isinstance(command, (Callback, Hangup)):
                return False
            if isinstance(command, Gather):
                if not self._gathered(command, path):
                    return False
            elif not self._inside(command, path):
                return False
        return True

    def _gathered(self, gather: Gather, path: str) -> bool:
        url = str(gather.attributes.get("url", "")).partition("?")[0]
        if url and self._following and url.endswith(self._following):
            return False  # the next request brings the keys
        branches = {
            f"{path}.{branch.row.name}[{index}]": branch
            for index, branch in enumerate(gather.children)
            if type(branch) in BRANCHES
        }
        taken = self._taken(branches)
        if taken is None or branches[taken].row.name == "Default":
            raise _Unknown(f"what was pressed at {path} of the document of turn {self._number} is not known")
        branch = branches[taken]
        self._acts.append(Press(str(branch.attributes.get("value", "")) if branch.row.name == "DTMF" else ""))
        return self._through(branch.children, f"{taken}.")

    def _taken(self, branches: Mapping[str, Element]) -> str | None:
        """The branch that ran: Opentact said so, or the call came where only it leads, or only it rings who was rung."""
        for ran in (
            [path for path in branches if any(step.startswith(f"{path}.") for step in self._steps)],
            [path for path, branch in branches.items() if _leads_to(branch, self._following)],
            [path for path, branch in branches.items() if not self._following and self._rings(branch)],
        ):
            if len(ran) == 1:
                return ran[0]
            if ran:
                return None
        return None

    def _rings(self, branch: Element) -> bool:
        return any(is_target(target, rung) for target in targets(branch) for rung, _ in self._legs)

    def _inside(self, command: Element, path: str) -> bool:
        """As ``_through``, of what stands inside another command; its Error runs only where it failed."""
        for index, part in enumerate(command.children):
            here = f"{path}.{part.row.name}[{index}]"
            if not any(isinstance(inner, (Gather, Callback, Hangup)) for _, inner in paths(part)):
                continue
            if any(step.startswith(f"{here}.") for step in self._steps) or _leads_to(part, self._following):
                return self._through(part.children, f"{here}.")
            answered = any(is_target(t, rung) and took for t in targets(command) for rung, took in self._legs)
            if not answered and any(isinstance(inner, Gather) for _, inner in paths(part)):
                raise _Unknown(f"whether {here} of the document of turn {self._number} ran is not known")
        return True

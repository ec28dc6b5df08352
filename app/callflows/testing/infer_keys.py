"""Infers the keys pressed in a recorded call.

Keys that request the next document are part of the request. Opentact does not report keys within a document: they are
inferred from the executed steps, the next request, and the parties that were rung, or remain unknown.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from callflows.errors import CallflowsError
from callflows.language import Callback, Dial, Gather, Hangup, from_xml
from callflows.language.dialects import GATHER_BRANCHES
from callflows.language.element import walk_elements
from callflows.rehearsal.scripted_parties import ScriptedHangUp, ScriptedPress
from callflows.telephony.phone_numbers import normalize_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from callflows.language.element import Element
    from callflows.rehearsal.scripted_parties import ScriptedAction


_BRANCH_NAMES: Final = frozenset(element.spec.name for element in GATHER_BRANCHES)


class InferredKeys(NamedTuple):
    """Actions of the caller. If ``unknown_from`` names a place, later keys are unknown and the caller hangs up there."""

    actions: list[ScriptedAction]
    unknown_from: str = ""


class _UnknownKeys(Exception):
    """The pressed keys are unknown; the message names the place."""


WRONG_KEY: Final = ScriptedPress("?")
"""The caller pressed a key without a branch; it is not known which."""


def infer_keys(story: Mapping[str, Any], *, tells_wrong_keys: bool = False) -> InferredKeys:
    """Infer the keys pressed in a call; ``story`` comes from the journal.

    With ``tells_wrong_keys``, a key without a branch is WRONG_KEY; otherwise the keys are unknown from there.
    """
    actions: list[ScriptedAction] = []
    entries = story["story"]
    asked = [entry for entry in entries if entry["what"] == "asked"]
    documents = {entry["turn"]: entry["document"] for entry in entries if entry["what"] == "answered"}
    reported = [entry for entry in entries if entry["what"] == "reported" and "turn" in entry]
    ran = {(entry["turn"], entry["step"].get("path", "")): entry["step"].get("success") is not False for entry in reported}
    legs = [(leg["to"], bool(leg["answered"])) for leg in story["legs"]]
    try:
        for number, entry in enumerate(asked, 1):
            if number > 1 and comes_from_gather(entry):
                actions.append(ScriptedPress(_read_request_keys(entry, number)))
            steps = {path: succeeded for (turn, path), succeeded in ran.items() if turn == number}
            following = asked[number]["url"].partition("?")[0] if number < len(asked) else ""
            trace = _DocumentTrace(steps, following, legs, number, actions, tells_wrong_keys=tells_wrong_keys)
            trace.infer_actions(documents[number])
    except _UnknownKeys as where:
        return InferredKeys([*actions, ScriptedHangUp()], str(where))
    return InferredKeys(actions)


def comes_from_gather(request_entry: Mapping[str, Any]) -> bool:
    """Return True if a request comes from a Gather, with or without keys, and not from a Callback."""
    query_fields = parse_qsl(urlsplit(request_entry["url"]).query, keep_blank_values=True)
    return any(name in ("dtmf", "code") for name, _ in query_fields)


def _read_request_keys(request_entry: Mapping[str, Any], turn_number: int) -> str:
    keys = str(request_entry["pressed"])
    if keys.strip("0123456789*#"):
        raise _UnknownKeys(f"the keys pressed before turn {turn_number} are secret")
    return keys


def is_same_target(target: str, rung_party: str) -> bool:
    """Return True if Opentact rang this target. Opentact may report only the part before the ``@``."""
    target_party, party = normalize_target(target), normalize_target(rung_party)
    return bool(party) and party in (target_party, target_party.partition("@")[0])


def find_dial_targets(element: Element) -> Iterator[str]:
    """Yield the targets of all dials within an element."""
    for _, inner in [("", element), *walk_elements(element)]:
        if isinstance(inner, Dial):
            yield from (str(to.attributes.get("target", "")) for to in inner.children if to.spec.name == "To")


def _leads_to(element: Element, place: str) -> bool:
    """Return True if an element contains a URL that ends in ``place``."""
    urls = (str(inner.attributes.get("url", "")) for _, inner in [("", element), *walk_elements(element)])
    return bool(place) and any(url.partition("?")[0].endswith(place) for url in urls)


def _is_after(path: str) -> Callable[[str], bool]:
    """Return a function that tells whether an element stands after another one of the same branch, or inside such a one."""
    parent, _, last = path.rpartition(".")
    begin, index = f"{parent}." if parent else "", int(last.partition("[")[2].rstrip("]"))

    def is_after(other: str) -> bool:
        name, _, number = other.removeprefix(begin).partition(".")[0].partition("[")
        is_command = name not in _BRANCH_NAMES
        return other.startswith(begin) and is_command and number.rstrip("]").isdecimal() and int(number[:-1]) > index

    return is_after


@functools.lru_cache(maxsize=200)  # many calls get the same document, since tickets are masked
def _read_document(document: str) -> Element | None:
    try:
        return from_xml(document.encode())
    except CallflowsError:
        return None


class _DocumentTrace:
    """A document of the call, with the known facts of its execution.

    ``steps`` are the paths of the reported elements and whether they succeeded; ``next_place`` is the next request.
    """

    def __init__(
        self,
        steps: Mapping[str, bool],
        next_place: str,
        legs: Sequence[tuple[str, bool]],
        turn_number: int,
        actions: list[ScriptedAction],
        *,
        tells_wrong_keys: bool,
    ) -> None:
        self._steps = steps
        self._next_place = next_place
        self._legs = legs
        self._turn_number = turn_number
        self._actions = actions
        self._tells_wrong_keys = tells_wrong_keys

    def infer_actions(self, document: str) -> None:
        """Add the keys pressed in the document to the actions. Raises _UnknownKeys."""
        response = _read_document(document)
        if response is None:
            raise _UnknownKeys(f"the document of turn {self._turn_number} cannot be read")
        self._walk_commands(response.children, "")

    def _walk_commands(self, commands: Sequence[Element], start: str) -> bool:
        """Add the keys pressed in these commands; return whether the call continues after them."""
        for index, command in enumerate(commands):
            path = f"{start}{command.spec.name}[{index}]"
            if isinstance(command, (Callback, Hangup)):
                return False
            if isinstance(command, Gather):
                if not self._walk_gather(command, path):
                    return False
            elif not self._walk_children(command, path):
                return False
        return True

    def _walk_gather(self, gather: Gather, path: str) -> bool:
        url = str(gather.attributes.get("url", "")).partition("?")[0]
        if url and self._next_place and url.endswith(self._next_place):
            return False  # the next request brings the keys
        branches = {
            f"{path}.{branch.spec.name}[{index}]": branch
            for index, branch in enumerate(gather.children)
            if type(branch) in GATHER_BRANCHES
        }
        taken = self._find_executed_branch(branches, path)
        if taken == path:  # the call went on after the Gather
            self._actions.append(self._name_wrong_key(path) if self._steps.get(path, True) else ScriptedPress(""))
            return True
        if taken is not None and branches[taken].spec.name == "Default":
            self._actions.append(self._name_wrong_key(path))
            return self._walk_commands(branches[taken].children, f"{taken}.")
        if taken is None:
            raise self._build_unknown_keys(path)
        branch = branches[taken]
        self._actions.append(ScriptedPress(str(branch.attributes.get("value", "")) if branch.spec.name == "DTMF" else ""))
        return self._walk_commands(branch.children, f"{taken}.")

    def _name_wrong_key(self, path: str) -> ScriptedPress:
        if not self._tells_wrong_keys:
            raise self._build_unknown_keys(path)
        return WRONG_KEY

    def _build_unknown_keys(self, path: str) -> _UnknownKeys:
        return _UnknownKeys(f"the keys pressed at {path} of the document of turn {self._turn_number} are unknown")

    def _find_executed_branch(self, branches: Mapping[str, Element], gather_path: str) -> str | None:
        """Return the only branch with an executed step, or with the next request, or with the party rung.

        Each kind of evidence counts only if the earlier kinds fit no branch. Return the path of the Gather if the call is
        known to have passed all branches. None if no branch, or more than one, fits.
        """
        inside = [path for path in branches if any(step.startswith(f"{path}.") for step in self._steps)]
        if not inside and (self._steps.get(gather_path) is False or any(map(_is_after(gather_path), self._steps))):
            return gather_path
        for ran in (
            inside,
            [path for path, branch in branches.items() if _leads_to(branch, self._next_place)],
            [path for path, branch in branches.items() if not self._next_place and self._rings_reached_party(branch)],
        ):
            if len(ran) == 1:
                return ran[0]
            if ran:
                return None
        return None

    def _rings_reached_party(self, branch: Element) -> bool:
        return any(is_same_target(target, rung) for target in find_dial_targets(branch) for rung, _ in self._legs)

    def _walk_children(self, command: Element, path: str) -> bool:
        """Add the keys pressed inside a command; return whether the call continues after the command.

        Raises _UnknownKeys if a part that asks for keys may have run: an Error runs only if its command failed.
        """
        for index, part in enumerate(command.children):
            here = f"{path}.{part.spec.name}[{index}]"
            if not any(isinstance(inner, (Gather, Callback, Hangup)) for _, inner in walk_elements(part)):
                continue
            if any(step.startswith(f"{here}.") for step in self._steps) or _leads_to(part, self._next_place):
                return self._walk_commands(part.children, f"{here}.")
            answered = any(
                is_same_target(t, rung) and took for t in find_dial_targets(command) for rung, took in self._legs
            )
            if not answered and any(isinstance(inner, Gather) for _, inner in walk_elements(part)):
                raise _UnknownKeys(f"it is unknown if {here} of the document of turn {self._turn_number} ran")
        return True

"""A flow that is being made of another platform's flow: nodes, steps, notes on what was lost, and the report."""

from __future__ import annotations

import dataclasses
import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.entry_points import START_NODE
from callflows.flows.expressions.value_names import RESERVED_VALUE_NAMES
from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN
from callflows.flows.twiml.twiml_document import read_twilio_target
from callflows.language.value_kinds import URL_KIND
from callflows.telephony.phone_numbers import lacks_country_code
from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.importing.json_source import SourcePlace


MAX_PARTS: Final = 1000
"""A flow with more widgets, actions or verbs is refused."""
SILENT_PROMPT: Final = "."
"""The text of a question that the original asks by a sound, or not at all."""


class ImportOutcome(StrEnum):
    """The share of a part of the original that the flow has."""

    mapped = "mapped"
    with_loss = "with loss"
    not_mapped = "not mapped"


@dataclasses.dataclass
class ImportedPart:
    """A part of the original, as a widget or a verb, and its fate."""

    name: str
    kind: str
    place: SourcePlace
    node: str = ""
    outcome: ImportOutcome = ImportOutcome.mapped
    reasons: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class DraftStep:
    """A step with its comments. The value of ``choose`` is a list of steps, so that each way can have comments."""

    key: str
    value: Any
    when: str = ""
    comments: list[str] = dataclasses.field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        """The step as a flow file has it."""
        return {**({"when": self.when} if self.when else {}), self.key: self.value}


@dataclasses.dataclass
class SpokenText:
    """A text to speak, with the language and the gender of its voice if the original has them."""

    text: str
    lang: str = ""
    gender: str = ""

    @property
    def voice(self) -> dict[str, str]:
        return {key: value for key, value in (("lang", self.lang), ("gender", self.gender)) if value}


class DraftNode:
    """A node that is being written. Notes stand as comments above the next step."""

    def __init__(self, draft: FlowDraft, name: str, part: ImportedPart | None) -> None:
        self.draft = draft
        self.name = name
        self.origin = part
        """The part of the original that the whole node stands for."""
        self.part = part
        """The part that is being read."""
        self.steps: list[DraftStep] = []
        self.notes: list[str] = []
        """Notes that no step follows."""

    def add_step(self, key: str, value: Any, when: str = "") -> DraftStep:  # noqa: ANN401 - plain data
        step = DraftStep(key, value, when, self.notes)
        self.notes = []
        self.steps.append(step)
        return step

    def take_steps(self, first: int) -> list[DraftStep]:
        """Take the steps from an index on out of the node. Their comments stand above the next step."""
        taken = self.steps[first:]
        del self.steps[first:]
        self.notes = [*(comment for step in taken for comment in step.comments), *self.notes]
        return taken

    def add_say(self, spoken: SpokenText, loop: int = 1) -> None:
        """Add a text, unless it is empty."""
        if not spoken.text:
            return
        more = {**spoken.voice, **({"loop": loop} if loop > 1 else {})}
        self.add_step("say", {"text": spoken.text, **more} if more else spoken.text)

    def add_play(self, url: str, loop: int = 1) -> None:
        """Add a sound; a sound without an http address is noted."""
        if not is_url(url):
            self.note_loss(f"the sound {shorten(url)} has no address: write play: https://…")
            return
        self.add_step("play", {"url": url, "loop": loop} if loop > 1 else url)

    def add_goto(self, node: str) -> None:
        self.add_step("goto", node)

    def add_hangup(self) -> None:
        self.add_step("hangup", "")

    def add_choose(self, ways: Iterable[tuple[str, str]], otherwise: str) -> None:
        """Add ways by condition, and the way of all others."""
        branches = [DraftStep("goto", node, when) for when, node in ways]
        if branches:
            self.add_step("choose", [*branches, DraftStep("goto", otherwise)])
        else:
            self.add_goto(otherwise)

    def read_target(self, text: str) -> str:
        """Return a number or a SIP address as a flow file has it; empty for anything else."""
        if lacks_country_code(text.strip()):
            self.note_loss(f"{shorten(text, 30)} has no country code and is taken for a North American number")
        return read_twilio_target(text)

    def note_loss(self, reason: str) -> None:
        """Note a detail that the flow has in another form, or does not have, of a part that it has."""
        self._add_note(reason, ImportOutcome.with_loss)

    def skip_part(self, reason: str) -> None:
        """Note that the flow does not have a whole part."""
        self._add_note(reason, ImportOutcome.not_mapped)

    def _add_note(self, reason: str, outcome: ImportOutcome) -> None:
        part = self.part
        if part is None:
            self.notes.append(f"{outcome}: {reason}")
            return
        if outcome is ImportOutcome.not_mapped:
            # The report has one word for all reasons of a part, and so have the comments.
            earlier = {f"{part.outcome}: {one}": f"{outcome}: {one}" for one in part.reasons}
            self.notes = [earlier.get(note, note) for note in self.notes]
        part.outcome = outcome if part.outcome is not ImportOutcome.not_mapped else part.outcome
        part.reasons.append(reason)
        self.notes.append(f"{part.outcome}: {reason}")


class FlowDraft:
    """All parts of a flow that is being made."""

    def __init__(self, format_name: str) -> None:
        self.format_name = format_name
        self.nodes: dict[str, DraftNode] = {}
        self.parts: list[ImportedPart] = []
        self.groups: dict[str, dict[str, Any]] = {}
        self.hours: dict[str, dict[str, str]] = {}
        self.messages: list[dict[str, Any]] = []
        self.section_notes: dict[str, list[str]] = {}
        """Comments above ``groups``, ``hours`` and other keys of the file."""
        self._node_names: dict[str, str] = {}
        self._value_names: dict[tuple[str, str], str] = {}

    def add_part(self, name: str, kind: str, place: SourcePlace) -> ImportedPart:
        part = ImportedPart(shorten(name, 100), shorten(kind, 60), place)
        self.parts.append(part)
        return part

    def name_node(self, original: str) -> str:
        """Return the name of the node that stands for a part of the original."""
        return self.name_node_as(original, original)

    def name_node_as(self, original: str, name: str) -> str:
        """Name the node of a part whose own key is no name, as an id."""
        if original not in self._node_names:
            self._node_names[original] = make_unique_name(_make_node_name(name), {START_NODE, *self._node_names.values()})
        return self._node_names[original]

    def claim_start(self, original: str) -> None:
        """Let a part of the original be the node ``start``. Call before other names are made."""
        self._node_names[original] = START_NODE

    def add_node(self, original: str, part: ImportedPart | None = None) -> DraftNode:
        """Begin the node of a part of the original."""
        return self._store_node(DraftNode(self, self.name_node(original), part))

    def add_start_node(self, part: ImportedPart | None = None) -> DraftNode:
        """Begin the node in which every call begins, for an original that has no such part."""
        return self._store_node(DraftNode(self, START_NODE, part))

    def add_helper_node(self, name: str, part: ImportedPart | None = None) -> DraftNode:
        """Begin a node that the original has not, under a free name."""
        free = make_unique_name(_make_node_name(name), {START_NODE, *self._node_names.values(), *self.nodes})
        self._node_names[f"\0{free}"] = free
        return self._store_node(DraftNode(self, free, part))

    def _store_node(self, node: DraftNode) -> DraftNode:
        self.nodes[node.name] = node
        if node.part is not None and not node.part.node:
            node.part.node = node.name
        return node

    def get_end_node(self) -> str:
        """Return the name of the node that ends the call."""
        name = self._node_names.get(_END_KEY)
        if name is None:
            node = self.add_helper_node("end-of-call")
            node.add_hangup()
            name = self._node_names[_END_KEY] = node.name
        return name

    def name_value(self, kind: str, original: str) -> str:
        """Return the name under which the flow keeps a value of the original."""
        key = (kind, original)
        if key not in self._value_names:
            name = re.sub("[^A-Za-z0-9_]+", "_", original).strip("_")[:50]
            name = name if name and name[0].isalpha() and name.isascii() else f"value_{name}".rstrip("_")
            taken = {*self._value_names.values(), *RESERVED_VALUE_NAMES, *_JINJA_WORDS}
            self._value_names[key] = make_unique_name(name, taken, "_")
        return self._value_names[key]

    def has_value(self, kind: str, original: str) -> bool:
        return (kind, original) in self._value_names

    def name_group(self, original: str, note: str) -> str:
        """Return the hunt group that stands for a queue of the original; its members are to be written in."""
        name = re.sub("[^A-Za-z0-9_]+", "_", original).strip("_")[:40]
        name = name if name and name[0].isalpha() and name.isascii() else f"queue_{name}".rstrip("_")
        if name not in self.groups:
            self.groups[name] = {"to": [PLACEHOLDER_NUMBER], "timeout": "25s"}
            self.section_notes.setdefault("groups", []).append(note)
        return name

    def name_hours(self, original: str, note: str) -> str:
        """Return the opening hours that stand for those of the original; their times are to be written in."""
        name = re.sub("[^A-Za-z0-9_]+", "_", original).strip("_")[:40]
        name = name if name and name[0].isalpha() and name.isascii() else f"hours_{name}".rstrip("_")
        if name not in self.hours:
            self.hours[name] = {"mon-fri": "09:00-17:00"}
            self.section_notes.setdefault("hours", []).append(note)
        return name


_END_KEY: Final = "\0end"
PLACEHOLDER_NUMBER: Final = "+12015550188"
"""A number without a subscriber, for targets that the original does not name."""
_JINJA_WORDS: Final = frozenset({"loop", "set", "for", "endfor", "endif", "elif", "recursive", "import", "self", "context"})


def _make_node_name(original: str) -> str:
    name = re.sub("[^A-Za-z0-9_-]+", "-", original).strip("-_")[:60].rstrip("-_")
    if not FLOW_AND_NODE_NAME_PATTERN.fullmatch(name):
        return "node"
    return name


def make_unique_name(name: str, taken: Iterable[str], between: str = "-") -> str:
    """Return a name that is not taken, with a number at its end if necessary."""
    names = {*taken}
    number = 2
    unique = name
    while unique in names:
        unique = f"{name}{between}{number}"
        number += 1
    return unique


def shorten(text: str, limit: int = 80) -> str:
    """Return a text in one line of printable characters, cut after ``limit`` characters."""
    plain = replace_unprintable(text[: limit * 4])
    plain = " ".join(plain.split())
    return plain if len(plain) <= limit else f"{plain[:limit]}…"


def is_url(text: str) -> bool:
    return URL_KIND.accepts(text) and text.isprintable()


_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?(?:-->|\Z)", re.DOTALL)
_OPENING_BRACES: Final = re.compile(r"\{(?=[{%#])")


def clean_spoken_text(text: str) -> str:
    """Return a text in one line, without tags of SSML and with braces that mean nothing in a flow."""
    return clean_text_part(text[:MAX_TEXT_CHARACTERS]).strip()


def clean_text_part(text: str) -> str:
    """Clean a part of a text as ``clean_spoken_text`` does; a blank at an end stays, because a value may follow."""
    return _BLANKS.sub(" ", _OPENING_BRACES.sub("{ ", _TAG.sub(" ", text)))


MAX_TEXT_CHARACTERS: Final = 10_000
"""Longer texts are cut."""
_BLANKS: Final = re.compile(r"\s+")


def has_tags(text: str) -> bool:
    return _TAG.search(text) is not None


def format_flow_duration(value: object, least: float = 0, most: float = 3600) -> str:
    """Return a number of seconds as a duration of flow files, within limits; empty for any other value."""
    try:
        seconds = float(str(value))
    except ValueError:
        return ""
    if not math.isfinite(seconds) or seconds <= 0:
        return ""
    milliseconds = round(min(max(seconds, least), most) * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def merge_data(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of several mappings that have a value."""
    return {key: value for part in parts for key, value in part.items() if value not in ("", None, [], {})}

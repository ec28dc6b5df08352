"""Finds branches of an XML template that open or close an element which no other branch closes or opens.

All ways through the conditions and loops of the template are followed at once, with the elements that are open. A branch
is wrong only if no way through it gives a well-formed document: two conditions may belong together, so that one opens
what the other closes.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from jinja2 import nodes

from callflows.text import find_nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class NestingError(NamedTuple):
    """A mistake in the nesting of elements, with the offset of its tag in the source."""

    offset: int
    reason: str
    fix: str


def find_nesting_errors(template: nodes.Template, offsets: Mapping[int, int]) -> list[NestingError] | None:
    """Return the elements that a branch leaves open or closes wrongly; None if it is not sure.

    ``offsets`` are those of each constant text in the source, by the identity of its node.
    """
    if any(True for _ in template.find_all(nodes.FilterBlock)):
        return None
    # The text of a macro or of {% set %}…{% endset %} is written elsewhere, so it must be balanced in itself.
    parts = [template.body]
    parts += [macro.body for macro in template.find_all(nodes.Macro)]
    parts += [block.body for block in template.find_all(nodes.AssignBlock)]
    errors: dict[NestingError, None] = {}
    for body in parts:
        try:
            errors |= dict.fromkeys(_TemplateGraph(body, offsets).find_errors())
        except _NotSure:
            return None
    return sorted(errors)


class _NotSure(Exception):
    """The template is too unusual to be judged."""


@dataclasses.dataclass(frozen=True, slots=True)
class _OpenElement:
    name: str
    offset: int = dataclasses.field(compare=False)
    """Not compared: ways on which elements of the same names are open are one from there on."""


class _State(NamedTuple):
    """The state between two points: what the text is inside of, as a comment or a tag, and the open elements.

    ``mode`` is the sign that ends a comment or a quoted value. ``pending`` is the element of a tag that is not complete.
    The innermost of ``elements`` is the last.
    """

    mode: str = ""
    pending: _OpenElement | None = None
    elements: tuple[_OpenElement, ...] = ()


class _WrongEnd(NamedTuple):
    """A closing tag, at ``end_offset``, that does not fit the open elements, and how many these are."""

    end_offset: int
    open_count: int
    error: NestingError


class _Branch(NamedTuple):
    """A branch of a condition or a loop: its entry in the graph, the branch around it, and who goes through it."""

    entry: int
    outer: int | None
    callers: str


class _Point(NamedTuple):
    """A constant text in the template, or a place without text; ``following`` are the points that may come next."""

    text: str
    offset: int
    following: list[int]


_Place: TypeAlias = "tuple[int, _State]"
"""The number of a point, and the state before it."""


class _TemplateGraph:
    """The points of a template, and the ways between them."""

    def __init__(self, body: Sequence[nodes.Node], offsets: Mapping[int, int]) -> None:
        self._offsets = offsets
        self._points: list[_Point] = []
        self._branches: list[_Branch] = []
        self._end = self._add_point()
        self._begin = self._add_nodes(body, self._end, None)

    def _add_point(self, text: str = "", offset: int = 0, following: Iterable[int] = ()) -> int:
        self._points.append(_Point(text, offset, [*following]))
        return len(self._points) - 1

    def _add_nodes(self, body: Sequence[nodes.Node], following: int, outer: int | None) -> int:
        """Add the points of nodes from the last to the first; return the first."""
        for node in reversed(body):
            if isinstance(node, nodes.Output):
                for part in reversed(node.nodes):
                    is_text = isinstance(part, nodes.TemplateData)
                    text, offset = (part.data, self._offsets[id(part)]) if is_text else (_VALUE_MARK, 0)  # type: ignore[attr-defined]
                    following = self._add_point(text, offset, [following])
            elif isinstance(node, nodes.If):
                following = self._add_condition(node, following, outer)
            elif isinstance(node, nodes.For):
                after = following
                if node.else_:
                    after = self._add_branch(
                        node.else_, following, outer, f"if the loop of line {node.lineno} has no values"
                    )
                choice = self._add_point(following=[after])
                runs = self._add_branch(node.body, choice, outer, f"if the loop of line {node.lineno} has values")
                self._points[choice].following.append(runs)
                following = choice
            elif isinstance(node, nodes.With | nodes.Scope):
                following = self._add_nodes(node.body, following, outer)
        return following

    def _add_loop(self, node: nodes.For, following: int, outer: int | None) -> int:
        loop = f"if the loop of line {node.lineno}"
        after = self._add_branch(node.else_, following, outer, f"{loop} has no values") if node.else_ else following
        choice = self._add_point(following=[after])
        self._points[choice].following.append(self._add_branch(node.body, choice, outer, f"{loop} has values"))
        return choice

    def _add_condition(self, node: nodes.If, following: int, outer: int | None) -> int:
        ways = [
            self._add_branch(one.body, following, outer, f"if the condition of line {one.lineno} holds")
            for one in (node, *node.elif_)
        ]
        otherwise = f"if {'no condition' if node.elif_ else 'the condition'} of line {node.lineno} "
        otherwise += "holds" if node.elif_ else "does not hold"
        if node.else_:
            ways.append(self._add_branch(node.else_, following, outer, otherwise))
        elif not node.elif_ and not isinstance(node.test, nodes.Const):
            ways.append(self._add_branch([], following, outer, otherwise))
        else:  # the conditions may cover all cases, so that nobody passes them
            ways.append(following)
        return self._add_point(following=ways)

    def _add_branch(self, body: Sequence[nodes.Node], following: int, outer: int | None, callers: str) -> int:
        number = len(self._branches)
        entry = self._add_point()
        self._branches.append(_Branch(entry, outer, callers))
        self._points[entry].following.append(self._add_nodes(body, following, number))
        return entry

    def find_errors(self) -> Iterator[NestingError]:
        """Yield a mistake for each branch that no well-formed document goes through. Raises _NotSure."""
        begin: _Place = (self._begin, _State())
        sources, wrong_ends = self._follow_ways(begin)
        passable = {place for place in sources if self._is_end(place)}
        waiting = [*passable]
        while waiting:
            new = {*sources[waiting.pop()]} - passable
            passable |= new
            waiting += new
        if begin not in passable:
            raise _NotSure  # no document is well-formed, which is found by reading samples
        passable_points = {number for number, _ in passable}
        wrong = {number for number, branch in enumerate(self._branches) if branch.entry not in passable_points}
        for number in sorted(wrong):
            branch = self._branches[number]
            if branch.outer in wrong:
                continue
            entered = (place for place in sources if place[0] == branch.entry and passable.intersection(sources[place]))
            _, wrong_ends = self._follow_ways(next(entered))
            if wrong_ends:
                # Conditions that belong together go wrong earlier if they are combined wrongly, and other wrong branches
                # leave more elements open.
                error = max(wrong_ends, key=lambda wrong_end: (wrong_end.end_offset, -wrong_end.open_count)).error
                yield error._replace(reason=f"{error.reason}, {branch.callers}")

    def _is_end(self, place: _Place) -> bool:
        return place == (self._end, _State())

    def _follow_ways(self, begin: _Place) -> tuple[dict[_Place, list[_Place]], list[_WrongEnd]]:
        """Return the places before each place that ways lead to, and the closing tags at which ways end."""
        waiting, wrong_ends = [begin], list[_WrongEnd]()
        sources: dict[_Place, list[_Place]] = {begin: []}
        character_count = 0
        while waiting:
            here = waiting.pop()
            point = self._points[here[0]]
            character_count += len(point.text)
            if len(sources) > _MAX_PLACES or character_count > _MAX_CHARACTERS:
                raise _NotSure
            state = _read_text(point, here[1])
            if isinstance(state, _WrongEnd):
                wrong_ends.append(state)
                continue
            if here[0] == self._end and state.elements:
                wrong_ends.append(
                    _WrongEnd(_BEHIND_ALL, len(state.elements), _describe_open_element(state.elements[-1], ""))
                )
            if len(state.elements) > _MAX_OPEN_ELEMENTS:
                continue
            for number in point.following:
                there = (number, state)
                if there not in sources:
                    sources[there] = []
                    waiting.append(there)
                sources[there].append(here)
        return sources, wrong_ends


def _read_text(point: _Point, state: _State) -> _State | _WrongEnd:
    """Return the state after a text, or the tag in it that closes an element wrongly. Raises _NotSure."""
    text = point.text
    if state.mode == _AFTER_NAME and text:
        if _NAME_CHARACTER.match(text):
            raise _NotSure  # a part of the element's name is computed
        state = state._replace(mode="")
    at = 0
    while at < len(text):
        if state.mode:
            end = text.find(state.mode, at)
            if end < 0:
                break
            at, state = end + len(state.mode), state._replace(mode="")
            continue
        found = (_SIGN_IN_TAG if state.pending else _TAG_BEGIN).search(text, at)
        if found is None:
            break
        at = found.end()
        if state.pending:
            state = _read_sign_in_tag(found[0], state, state.pending)
            continue
        following = _read_tag(found, point.offset + found.start(), state)
        if isinstance(following, _WrongEnd):
            return following
        state = following
    return state


def _read_sign_in_tag(sign: str, state: _State, element: _OpenElement) -> _State:
    """Return the state after a quote in a tag, or after the tag's end."""
    if sign in ('"', "'"):
        return state._replace(mode=sign)
    return _State(elements=state.elements if sign == "/>" else (*state.elements, element))


def _read_tag(found: re.Match[str], offset: int, state: _State) -> _State | _WrongEnd:
    """Return the state after a comment's begin, a closing tag, or the name of an opening tag."""
    if found["opaque"]:
        return state._replace(mode=_OPAQUE_ENDS[found["opaque"]])
    if found["closed"]:
        if not state.elements or state.elements[-1].name != found["closed"]:
            error = _describe_wrong_end(found["closed"], offset, state.elements)
            return _WrongEnd(offset, len(state.elements), error)
        return state._replace(elements=state.elements[:-1])
    if found["opened"]:
        mode = _AFTER_NAME if found.end() == len(found.string) else ""
        return _State(mode, _OpenElement(found["opened"], offset), state.elements)
    raise _NotSure  # the element's name is computed


def _describe_wrong_end(name: str, offset: int, elements: Sequence[_OpenElement]) -> NestingError:
    if any(element.name == name for element in elements):
        return _describe_open_element(elements[-1], f" before </{name}>")
    reason = f"</{name}> closes nothing"
    if elements and find_nearest(name, [elements[-1].name]):
        return NestingError(offset, reason, f"write </{elements[-1].name}>")
    return NestingError(offset, reason, f"take it out, or open <{name}> in each branch that leads here")


def _describe_open_element(element: _OpenElement, before: str) -> NestingError:
    fix = f"write </{element.name}> in the branch that opens it, or close it in every branch"
    return NestingError(element.offset, f"<{element.name}> is not closed{before}", fix)


_MAX_PLACES: Final = 20_000
_MAX_CHARACTERS: Final = 20_000_000
_MAX_OPEN_ELEMENTS: Final = 40
_BEHIND_ALL: Final = sys.maxsize
_VALUE_MARK: Final = "\ufdd0"
"""Replaces a value: text or a part of a tag."""
_AFTER_NAME: Final = "\ufdd1"
"""The mode at the end of a text that ends with the name of an opening tag."""
_NAME_CHARACTER: Final = re.compile(rf"[\w.:{_VALUE_MARK}-]")
_OPAQUE_ENDS: Final = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>", "<!": ">"}
_TAG_BEGIN: Final = re.compile(
    r"(?P<opaque><!--|<!\[CDATA\[|<\?|<!)|</(?P<closed>[A-Za-z_][\w.:-]*)\s*>|<(?P<opened>[A-Za-z_][\w.:-]*)?"
)
_SIGN_IN_TAG: Final = re.compile(r"""["']|/?>""")

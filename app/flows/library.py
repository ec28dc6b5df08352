"""A folder of flow files, kept compiled: only what has changed is read again, and another book is made aside.

A file that is wrong keeps the last good version of its flow. So does an edit that claims another flow's number.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.flows.book import FlowBook, clash, clashes
from app.flows.compiler import compile_flow
from app.flows.hours.overrides import OVERRIDES
from app.flows.loader import (
    EXTENSIONS,
    FLOW_SUFFIXES,
    Loaded,
    choose,
    for_all_flows,
    growing,
    is_flow,
    no_folder,
    override,
    read_bounded,
    unreadable,
)

if TYPE_CHECKING:
    from app.errors import Problem
    from app.flows.book import Flow
    from app.flows.compiler import Compiled, Options
    from app.flows.loader import Progress

Signature: TypeAlias = tuple[int, ...]
"""Tells that a file may have changed: its times (ns), size and place on the disk; alone, the error that hides it."""

_NO_FILE: Final[Signature] = ()
_AGAIN: Final[Signature] = (0,)
_YOUNG_NS: Final = 2_000_000_000
"""What is written twice within a tick of the disk's clock looks the same: what is so young is compared by its content."""
_TICK_NS: Final = 100_000_000
_LOOKS: Final = 10
"""Looks at files that go on changing, before they are read as they are."""
_ROUNDS: Final = 20
"""Rounds of taking back edits that claim what another flow has, before all edits are taken back."""
_FOR_ALL: Final = (EXTENSIONS, OVERRIDES)
"""Files that concern every flow; those of opening hours hold at once, and compile nothing anew."""


class _Look(NamedTuple):
    """What a look at the folder found: which folder it is, its flow files by name, other files by path."""

    place: tuple[int, int]
    flows: dict[str, Signature]
    others: dict[str, Signature]


@dataclasses.dataclass(slots=True)
class _Source:
    """A flow file as it was read last, and the other files that its flow was made of."""

    signature: Signature
    young: bool
    digest: bytes
    compiled: Compiled
    reads: dict[str, Signature]


class Library:
    """The flow files of a folder. ``loaded`` is what they give; ``refresh`` works that out again from what has changed."""

    def __init__(
        self, folder: Path, options: Options, *, settle: float = 0.08, on_progress: Progress | None = None
    ) -> None:
        """Loads all. ``settle``: seconds for which files are at rest before a change in them is read."""
        self.folder = folder
        self.loaded = Loaded(FlowBook(), ())
        self._options = options
        self._settle = settle
        self._turn = threading.Lock()
        self._last: _Look | None = None
        self._sources: dict[str, _Source] = {}
        self._touched: set[str] = set()
        self._digests: dict[str, bytes] = {}
        self._away: list[Problem] = []
        self._wrong_for_all: list[Problem] = []
        self._wrong_overrides: list[Problem] = []
        self._wrong: dict[str, list[Problem]] = {}
        self._stale: dict[str, list[Problem]] = {}
        self._held: dict[str, list[Problem]] = {}
        self.refresh(on_progress)

    def refresh(self, on_progress: Progress | None = None) -> Loaded:
        """What the folder gives now; the same object as before where nothing has changed. One refresh at a time.

        A folder that is gone, or that is another one and empty, changes nothing but that this is said.
        """
        with self._turn:
            try:
                look = self._settled(self._look())
            except OSError as error:
                self._away = [no_folder(self.folder, error)]
                self.loaded = self._all(self.loaded.book)
                return self.loaded
            self._away = []
            self._read(look, on_progress)
            wanted = self._wanted()
            book = self._agreed(wanted) if wanted else self.loaded.book
            self._override(book)
            self.loaded = self._all(book)
            self._touched = set()
            return self.loaded

    def _all(self, book: FlowBook) -> Loaded:
        """A book with all that is wrong now."""
        of_flows = [problem for name in sorted(self._wrong) for problem in self._wrong[name]]
        held = [problem for problems in self._held.values() for problem in problems]
        problems = (*self._away, *self._wrong_for_all, *self._wrong_overrides, *of_flows, *held, *book.clashes())
        stale = {name: tuple(why) for name, why in sorted({**self._stale, **self._held}.items())}
        found = Loaded(book, problems, stale)
        return self.loaded if found == self.loaded else found

    # Looking

    def _look(self) -> _Look:
        """All that flows are made of, as it looks. Raises OSError where there is no folder."""
        folder, within = self.folder.stat(), str(self.folder)
        with os.scandir(within) as entries:
            names = sorted(entry.name for entry in entries if entry.name in self._sources or is_flow(Path(entry.name)))
        flows = {name: found for name in names if (found := _signature(f"{within}/{name}")) != _NO_FILE}
        place = (folder.st_dev, folder.st_ino)
        if self._last and self._last.flows and not flows and self._last.place != place:
            raise FileNotFoundError(errno.ENOENT, "it is another folder, without any flow file", within)
        read = {path for source in self._sources.values() for path in source.reads}
        others = {path: _signature(path) for path in (*read, *(f"{within}/{name}" for name in _FOR_ALL))}
        return _Look(place, flows, others)

    def _settled(self, look: _Look) -> _Look:
        """A look after which nothing has changed for a moment, so that nobody is in the middle of a save."""
        for _ in range(_LOOKS if self._settle and self._last not in (None, look) else 0):
            time.sleep(self._settle)
            before, look = look, self._look()
            if look == before:
                break
        return look

    def _differs(self, name: str, look: _Look) -> bool:
        source = self._sources.get(name)
        return (
            source is None
            or source.signature != look.flows[name]
            or any(look.others[path] != seen for path, seen in source.reads.items())
        )

    # Reading

    def _read(self, look: _Look, on_progress: Progress | None) -> None:
        """Compile what has changed."""
        anew = self._read_for_all()
        self._touched |= {_flow_of(name) for name in self._sources.keys() - look.flows.keys()}
        self._sources = {name: source for name, source in self._sources.items() if name in look.flows}
        changed = [n for n in look.flows if anew or self._differs(n, look) or self._sources[n].young]
        with growing(len(changed)):
            for done, name in enumerate(changed):
                self._read_one(name, look, anew=anew)
                if on_progress is not None:
                    on_progress(done + 1, len(changed))
        self._last = look

    def _read_for_all(self) -> bool:
        """Read what concerns all flows; whether they must all be compiled anew. What is wrong there changes nothing."""
        digest, known = _digest_of(self.folder / EXTENSIONS), self._digests.get(EXTENSIONS)
        if digest == known:
            return False
        options, self._wrong_for_all = for_all_flows(self.folder, self._options)
        self._digests[EXTENSIONS], before = digest, self._options
        if known is None or not any(problem.severity == "error" for problem in self._wrong_for_all):
            self._options = options
        return self._options != before

    def _override(self, book: FlowBook) -> None:
        """Have the overrides that the folder says, where they or the flows have changed."""
        digest = _digest_of(self.folder / OVERRIDES)
        if digest != self._digests.get(OVERRIDES) or book is not self.loaded.book:
            self._digests[OVERRIDES] = digest
            self._wrong_overrides = override(self.folder, book, self._options.overrides)

    def _read_one(self, name: str, look: _Look, *, anew: bool) -> None:
        """Read a flow file, and compile it if it says something else than before."""
        path, known = f"{self.folder}/{name}", self._sources.get(name)
        began = time.time_ns()
        try:
            signature, text = _steady(path, look.flows[name])
        except OSError as error:
            wrong = unreadable(self.folder / name, error)
            self._sources[name] = _Source(look.flows[name], young=True, digest=b"", compiled=wrong, reads={})
            self._touched.add(_flow_of(name))
            return
        young = began - max(signature[:2]) < _YOUNG_NS
        digest = hashlib.blake2b(text, digest_size=16).digest()
        if known is not None and known.digest == digest and not anew:
            known.signature, known.young = look.flows[name], young
            if not self._differs(name, look):
                return
        compiled = compile_flow(_flow_of(name), text, str(self.folder / name), self._options)
        flow = compiled.flow or compiled.broken
        if flow is not None:
            compiled = compiled._replace(problems=(*compiled.problems, *clashes(flow.claims)))
        reads = {str(read): _signature(str(read)) for read in compiled.reads}
        since = {read: _AGAIN if seen and max(seen[:2]) > began - _TICK_NS else seen for read, seen in reads.items()}
        self._sources[name] = _Source(signature, young, digest, compiled, since)
        self._touched.add(_flow_of(name))

    # Choosing

    def _wanted(self) -> dict[str, Flow | None]:
        """The flows that the files want under the names that were touched; edited ones before new ones."""
        if not self._touched:
            return {}
        served = self.loaded.book.flows
        wanted: dict[str, Flow | None] = {}
        for name in sorted(self._touched | self._held.keys(), key=lambda name: (name not in served, name)):
            files = (self._sources.get(f"{name}{suffix}") for suffix in sorted(FLOW_SUFFIXES))
            compiled = [source.compiled for source in files if source is not None]
            flow, problems = choose(compiled, served.get(name))
            wanted[name] = flow
            _keep(self._wrong, name, problems)
            last = flow is not None and not flow.problems and not any(one.flow is flow for one in compiled)
            _keep(self._stale, name, [problem for problem in problems if last and problem.severity == "error"])
        return wanted

    def _agreed(self, wanted: dict[str, Flow | None]) -> FlowBook:
        """A book of the wanted flows. An edit that claims more, and that of another flow, is held back until it can be."""
        old, self._held = self.loaded.book, {}
        changes = {name: flow for name, flow in wanted.items() if old.flows.get(name) is not flow}
        for left in reversed(range(_ROUNDS + 1)):
            book = old.changed(changes) if changes else old
            edits = {
                name: (flow, was)
                for name, flow in changes.items()
                if (was := old.flows.get(name)) and not was.problems and flow and not flow.problems
            }
            lost = {name: _lost(book, *edit) for name, edit in edits.items()}
            held = {name: problems for name, problems in lost.items() if problems or not left}
            self._held |= held
            changes = {name: flow for name, flow in changes.items() if name not in held}
            if not any(lost.values()):
                break
        return book


def _lost(book: FlowBook, flow: Flow, was: Flow) -> list[Problem]:
    """What a flow claims that it did not claim before, and that another flow has."""
    before = {claim.number for claim in was.claims}
    problems = []
    for claim in flow.claims:
        holder = flow if claim.number in before else book.claimants(claim.number)[0]
        if holder is not flow:
            problems.append(clash(claim, next(other for other in holder.claims if other.number == claim.number)))
    return problems


def _keep(found: dict[str, list[Problem]], name: str, problems: list[Problem]) -> None:
    found.pop(name, None)
    if problems:
        found[name] = problems


def _flow_of(name: str) -> str:
    """The flow that a file is, by the file's name."""
    return Path(name).stem


def _signature(path: str) -> Signature:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path costs more than the look itself
    except OSError as error:
        return (-(error.errno or 1),)
    if not stat.S_ISREG(found.st_mode):
        return _NO_FILE
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def _steady(path: str, signature: Signature) -> tuple[Signature, bytes]:
    """What stands in a file that does not change while it is read, as far as it ever rests. Raises OSError."""
    for _ in range(_LOOKS):
        text = read_bounded(Path(path))
        before, signature = signature, _signature(path)
        if signature == before:
            return signature, text
    return _AGAIN, text


def _digest_of(file: Path) -> bytes:
    with contextlib.suppress(OSError):
        return hashlib.blake2b(read_bounded(file)).digest()
    return b""

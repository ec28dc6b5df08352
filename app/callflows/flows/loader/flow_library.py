"""A folder of flow files, kept compiled: a refresh reads only changed files and builds a new flow book.

If a changed file has errors, the last good version of its flow stays live. The same holds for an edit that claims the
number of another flow.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import errno
import hashlib
import math
import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from callflows.errors import Problem
from callflows.flows.compiler.other_flows import FolderIndex
from callflows.flows.entry_points import FLOW_SUFFIXES
from callflows.flows.flow_book import FlowBook, describe_claim_conflict, find_claim_conflicts
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.hours.overrides import OVERRIDES_FILE_NAME
from callflows.flows.loader.claim_holders import ClaimHolders
from callflows.flows.loader.folder_loader import (
    EXTENSIONS_FILE,
    LoadedFlows,
    apply_override_files,
    choose_flow,
    describe_missing_folder,
    is_flow_file,
    list_override_files,
    load_folder_options,
    read_bounded_file,
    reject_unreadable_file,
    relax_garbage_collection,
)

if TYPE_CHECKING:
    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow import Flow
    from callflows.flows.flow_compilation import FlowCompilation
    from callflows.flows.loader.folder_loader import ProgressCallback


FileSignature: TypeAlias = tuple[int, ...]
"""Times (ns), size, inode and device of a file; a different signature means a possible change. One negative number is an
errno."""
_NO_FILE_SIGNATURE: Final[FileSignature] = ()


# Differs from every real signature, so the file is read again at the next refresh.
_REREAD_SIGNATURE: Final[FileSignature] = (0,)
_RECENT_CHANGE_NS: Final = 2_000_000_000
"""Two writes within one tick of the disk's clock leave the same signature. So files younger than this are compared by
content."""
_DISK_CLOCK_TICK_NS: Final = 100_000_000
_MAX_SNAPSHOTS: Final = 10
"""Attempts to see a file at rest. After this number, a file that keeps changing is read in its current state."""
_MAX_CONFLICT_ROUNDS: Final = 20
"""Rounds in which single conflicting edits are held back. Then all edits are held back."""
_RETRY_PAUSES: Final = (5.0, 60.0, 600.0)
"""Seconds until a file with a transient error is compiled again, after each failure; then an edit is awaited."""
_FILE_GONE_MESSAGE: Final = "the file is gone; its flow goes on for a while, in case the file comes back"
_FILE_GONE_FIX: Final = "put it back, or wait until its numbers are given up: CALLFLOWS_REMOVAL_GRACE_SECONDS says when"

_LIST_AWAITED_MESSAGE: Final = "%s is big and is still being read; until then the flow goes on as it was before the edit"


class _FolderSnapshot(NamedTuple):
    """State of the folder at one moment: device and inode, signatures of flow files by name and of other files by path."""

    folder_id: tuple[int, int]
    flow_signatures: dict[str, FileSignature]
    other_signatures: dict[str, FileSignature]


@dataclasses.dataclass(slots=True)
class _SourceFile:
    """A flow file in its last state, and the signatures of the other files compiled into its flow."""

    signature: FileSignature
    recently_changed: bool
    digest: bytes
    compilation: FlowCompilation
    dependencies: dict[str, FileSignature]
    transient_failures: int = 0
    """Number of compilations of this content with a transient error."""
    retry_at: float = math.inf
    """The moment of ``time.monotonic`` at which the same content is compiled again."""


class FlowLibrary:
    """The flow files of a folder. ``refresh`` reads the changes, ``loaded_flows`` is the current result."""

    def __init__(
        self,
        folder: Path,
        options: CompilerOptions,
        *,
        settle_seconds: float = 0.08,
        removal_grace_seconds: float = 0.0,
        on_progress: ProgressCallback | None = None,
    ) -> None:
        """Load all files. A change is read only after the files were at rest for ``settle_seconds``.

        The flow of a file that is gone goes on for ``removal_grace_seconds``, in case a deploy puts the file back.
        """
        self.folder = folder
        self._claim_holders = ClaimHolders(options.data_folder)
        self.loaded_flows = LoadedFlows(FlowBook(preferred_holders=self._claim_holders.flows_by_number), ())
        self.file_in_progress = ""
        """Name of the flow file that is being compiled."""
        self._options = options
        self._settle_seconds = settle_seconds
        self._removal_grace_seconds = removal_grace_seconds
        self._folder_was_missing = False
        """True after the folder was missing: a new folder may have the inode of the old one."""
        self._missing_since: dict[str, float] = {}
        """Moments at which files were first seen to be gone, by name."""
        self._refresh_lock = threading.Lock()
        self._last_snapshot: _FolderSnapshot | None = None
        self._source_files: dict[str, _SourceFile] = {}
        self._awaited_lists: dict[str, str] = {}
        """Caller lists that are still being read, by the name of the flow file."""
        self._changed_flows: set[str] = set()
        self._shared_file_digests: dict[str, bytes] = {}
        self._folder_problems: list[Problem] = []
        self._extension_problems: list[Problem] = []
        self._override_problems: list[Problem] = []
        self._flow_problems: dict[str, list[Problem]] = {}
        self._stale_problems: dict[str, list[Problem]] = {}
        self._conflict_problems: dict[str, list[Problem]] = {}
        self.refresh(on_progress)

    def compile_for_rehearsal(self, flow: Flow) -> Flow:
        """Return the same version of a flow with the marks of its nodes, which only rehearsals have; or the flow itself."""
        options = dataclasses.replace(self._options, records_coverage=True)
        return compile_flow(flow.name, flow.source, flow.file, options).flow or flow

    @property
    def awaits_lists(self) -> bool:
        """Return True if a flow waits for a big caller list: then a refresh is due soon."""
        return bool(self._awaited_lists)

    def refresh(self, on_progress: ProgressCallback | None = None) -> LoadedFlows:
        """Read the changes and return the current flows; without a change, the same object as before. Thread-safe.

        If the folder is gone, or was replaced by an empty one, the flows stay live and a problem is reported.
        """
        with self._refresh_lock:
            try:
                look = self._wait_until_stable(self._take_snapshot())
            except OSError as error:
                self._folder_problems = [describe_missing_folder(self.folder, error)]
                self._folder_was_missing = True
                self._missing_since.clear()  # the folder is gone, so do not count its flows as deleted
                self.loaded_flows = self._assemble_result(self.loaded_flows.book)
                return self.loaded_flows
            self._folder_was_missing = False
            self._compile_changes(look, on_progress)
            self._folder_problems = [
                Problem(str(self.folder / name), 1, 1, "warning", "file-gone", _FILE_GONE_MESSAGE, _FILE_GONE_FIX)
                for name in sorted(self._missing_since)
            ] + [
                Problem(str(self.folder / name), 1, 1, "warning", "list-awaited", _LIST_AWAITED_MESSAGE % file)
                for name, file in sorted(self._awaited_lists.items())
            ]
            flows_by_name = self._choose_flows()
            book = self._resolve_conflicts(flows_by_name) if flows_by_name else self.loaded_flows.book
            self._apply_overrides(book)
            self.loaded_flows = self._assemble_result(book)
            self._changed_flows = set()
            self._claim_holders.remember(book, self._list_held_edits(), self._list_twin_names())
            return self.loaded_flows

    def _assemble_result(self, book: FlowBook) -> LoadedFlows:
        """Combine a book with all current problems."""
        of_flows = [problem for name in sorted(self._flow_problems) for problem in self._flow_problems[name]]
        held = [problem for problems in self._conflict_problems.values() for problem in problems]
        problems = (
            *self._folder_problems,
            *self._extension_problems,
            *self._override_problems,
            *of_flows,
            *held,
            *book.find_conflicts(),
        )
        stale = {name: tuple(why) for name, why in sorted({**self._stale_problems, **self._conflict_problems}.items())}
        found = LoadedFlows(book, problems, stale)
        return self.loaded_flows if found == self.loaded_flows else found

    def _list_held_edits(self) -> list[Flow]:
        """Return the edits that are held back because they claim numbers of other flows."""
        compiled = [(_get_flow_name(name), source.compilation.flow) for name, source in self._source_files.items()]
        return [flow for name, flow in compiled if flow is not None and name in self._conflict_problems]

    def _list_twin_names(self) -> set[str]:
        """Return the names that several files have."""
        names = [_get_flow_name(name) for name in self._source_files]
        return {name for name, count in collections.Counter(names).items() if count > 1}

    # Snapshots of the folder

    def _take_snapshot(self) -> _FolderSnapshot:
        """Return the signatures of all files that flows depend on. Raises OSError if the folder is missing."""
        folder, within = self.folder.stat(), str(self.folder)
        with os.scandir(within) as entries:
            names = sorted(
                entry.name for entry in entries if entry.name in self._source_files or is_flow_file(Path(entry.name))
            )
        flows = {name: found for name in names if (found := _read_signature(f"{within}/{name}")) != _NO_FILE_SIGNATURE}
        place = (folder.st_dev, folder.st_ino)
        is_another = self._folder_was_missing or (self._last_snapshot and self._last_snapshot.folder_id != place)
        if self._source_files and not flows and is_another:
            raise FileNotFoundError(errno.ENOENT, "it is another folder, without any flow file", within)
        read = {path for source in self._source_files.values() for path in source.dependencies}
        shared = (f"{within}/{EXTENSIONS_FILE}", *map(str, list_override_files(self.folder, self._options)))
        others = {path: _read_signature(path) for path in (*read, *shared)}
        return _FolderSnapshot(place, flows, others)

    def _wait_until_stable(self, snapshot: _FolderSnapshot) -> _FolderSnapshot:
        """Return a snapshot without changes for ``settle_seconds``, so that no file is read in the middle of a save."""
        for _ in range(_MAX_SNAPSHOTS if self._settle_seconds and self._last_snapshot not in (None, snapshot) else 0):
            time.sleep(self._settle_seconds)
            before, snapshot = snapshot, self._take_snapshot()
            if snapshot == before:
                break
        return snapshot

    def _has_changed(self, name: str, snapshot: _FolderSnapshot) -> bool:
        source = self._source_files.get(name)
        return (
            source is None
            or source.signature != snapshot.flow_signatures[name]
            or any(snapshot.other_signatures[path] != seen for path, seen in source.dependencies.items())
        )

    def _is_retry_due(self, name: str) -> bool:
        return self._source_files[name].retry_at <= time.monotonic()

    # Compiling

    def _compile_changes(self, snapshot: _FolderSnapshot, on_progress: ProgressCallback | None) -> None:
        """Compile the changed files, or all files after a change of the extensions; forget deleted files."""
        anew = self._reload_extensions()
        self._awaited_lists = {}
        given_up = self._find_files_to_give_up(snapshot)
        self._changed_flows |= {_get_flow_name(name) for name in given_up}
        self._source_files = {name: source for name, source in self._source_files.items() if name not in given_up}
        changed = [
            n
            for n in snapshot.flow_signatures
            if anew or self._has_changed(n, snapshot) or self._source_files[n].recently_changed or self._is_retry_due(n)
        ]
        index = FolderIndex()
        with relax_garbage_collection(len(changed)):
            for done, name in enumerate(changed):
                self.file_in_progress = name
                self._compile_file(name, snapshot, index, recompile=anew)
                self.file_in_progress = ""
                if on_progress is not None:
                    on_progress(done + 1, len(changed))
        self._last_snapshot = snapshot

    def _find_files_to_give_up(self, snapshot: _FolderSnapshot) -> set[str]:
        """Return the files that are gone for longer than the grace time, or whose flow has another file now."""
        now, there = time.monotonic(), {_get_flow_name(name) for name in snapshot.flow_signatures}
        missing = self._source_files.keys() - snapshot.flow_signatures.keys()
        self._missing_since = {name: self._missing_since.get(name, now) for name in missing}
        given_up = {
            name
            for name, since in self._missing_since.items()
            if now - since >= self._removal_grace_seconds or _get_flow_name(name) in there
        }
        for name in given_up:
            del self._missing_since[name]
        return given_up

    def _reload_extensions(self) -> bool:
        """Read ``extensions.yaml`` if changed; return whether all flows must be compiled again.

        After the first load, a file with errors leaves the extensions unchanged.
        """
        digest, known = _hash_file(self.folder / EXTENSIONS_FILE), self._shared_file_digests.get(EXTENSIONS_FILE)
        if digest == known:
            return False
        options, self._extension_problems = load_folder_options(self.folder, self._options)
        self._shared_file_digests[EXTENSIONS_FILE], before = digest, self._options
        if known is None or not any(problem.severity == "error" for problem in self._extension_problems):
            self._options = options
        return self._options != before

    def _apply_overrides(self, book: FlowBook) -> None:
        """Apply the overrides if a file or the book has changed. They take effect at once, without compiling any flow."""
        digest = b"".join(map(_hash_file, list_override_files(self.folder, self._options)))
        if digest != self._shared_file_digests.get(OVERRIDES_FILE_NAME) or book is not self.loaded_flows.book:
            self._shared_file_digests[OVERRIDES_FILE_NAME] = digest
            self._override_problems = apply_override_files(self.folder, book, self._options)

    def _compile_file(self, name: str, snapshot: _FolderSnapshot, index: FolderIndex, *, recompile: bool) -> None:
        """Read a flow file, and compile the flow if the content or a dependency has changed."""
        path, known = f"{self.folder}/{name}", self._source_files.get(name)
        began = time.time_ns()
        try:
            signature, text = _read_stable_file(path, snapshot.flow_signatures[name])
        except OSError as error:
            wrong = reject_unreadable_file(self.folder / name, error)
            self._source_files[name] = _SourceFile(
                snapshot.flow_signatures[name], recently_changed=True, digest=b"", compilation=wrong, dependencies={}
            )
            self._changed_flows.add(_get_flow_name(name))
            return
        young = began - max(signature[:2]) < _RECENT_CHANGE_NS
        digest = hashlib.blake2b(text, digest_size=16).digest()
        is_same = known is not None and known.digest == digest
        if known is not None and is_same and not recompile and not self._is_retry_due(name):
            known.signature, known.recently_changed = snapshot.flow_signatures[name], young
            if not self._has_changed(name, snapshot):
                return
        options = dataclasses.replace(self._options, folder_index=index, may_await_lists=self._last_snapshot is not None)
        compiled = compile_flow(_get_flow_name(name), text, str(self.folder / name), options)
        if compiled.awaited_list:
            self._awaited_lists[name] = compiled.awaited_list
            if known is not None:  # the flow goes on as it is, and its file counts as changed
                known.signature, known.digest = _REREAD_SIGNATURE, b""
            return
        flow = compiled.flow or compiled.broken_flow
        if flow is not None:
            compiled = compiled._replace(problems=(*compiled.problems, *find_claim_conflicts(flow.claims)))
        reads = {str(read): _read_signature(str(read)) for read in compiled.dependencies}
        # A dependency written during the compilation may be newer than what was compiled.
        since = {
            read: _REREAD_SIGNATURE if seen and max(seen[:2]) > began - _DISK_CLOCK_TICK_NS else seen
            for read, seen in reads.items()
        }
        failures, retry_at = 0, math.inf
        if compiled.has_transient_error:
            before = known.transient_failures if known is not None and is_same else 0
            failures = before + 1
            retry_at = time.monotonic() + _RETRY_PAUSES[before] if before < len(_RETRY_PAUSES) else math.inf
        self._source_files[name] = _SourceFile(signature, young, digest, compiled, since, failures, retry_at)
        self._changed_flows.add(_get_flow_name(name))

    # Choosing flows, and holding back edits that conflict

    def _choose_flows(self) -> dict[str, Flow | None]:
        """Return the desired flow for each changed name, live flows before new ones; None removes the flow."""
        if not self._changed_flows:
            return {}
        served = self.loaded_flows.book.flows
        flows_by_name: dict[str, Flow | None] = {}
        for name in sorted(
            self._changed_flows | self._conflict_problems.keys(), key=lambda name: (name not in served, name)
        ):
            files = (self._source_files.get(f"{name}{suffix}") for suffix in sorted(FLOW_SUFFIXES))
            compiled = [source.compilation for source in files if source is not None]
            flow, problems = choose_flow(compiled, served.get(name), self._claim_holders.files_by_name.get(name, ""))
            flows_by_name[name] = flow
            _set_problems(self._flow_problems, name, problems)
            last = flow is not None and not flow.problems and not any(one.flow is flow for one in compiled)
            _set_problems(
                self._stale_problems, name, [problem for problem in problems if last and problem.severity == "error"]
            )
        return flows_by_name

    def _resolve_conflicts(self, desired_flows: dict[str, Flow | None]) -> FlowBook:
        """Return a book with the desired flows, without edits that conflict.

        An edit of a live flow is held back while the edit newly claims a number of another flow. Later refreshes try
        again.
        """
        old, self._conflict_problems = self.loaded_flows.book, {}
        changes = {name: flow for name, flow in desired_flows.items() if old.flows.get(name) is not flow}
        for left in reversed(range(_MAX_CONFLICT_ROUNDS + 1)):
            book = old.with_flows(changes) if changes else old
            edits = {
                name: (flow, was)
                for name, flow in changes.items()
                if (was := old.flows.get(name)) and not was.problems and flow and not flow.problems
            }
            lost = {name: _find_lost_claims(book, *edit) for name, edit in edits.items()}
            held = {name: problems for name, problems in lost.items() if problems or not left}
            self._conflict_problems |= held
            changes = {name: flow for name, flow in changes.items() if name not in held}
            if not any(lost.values()):
                break
        return book


def _find_lost_claims(book: FlowBook, flow: Flow, previous_flow: Flow) -> list[Problem]:
    """Return a problem for each number newly claimed by the flow but held by another flow."""
    before = {claim.number for claim in previous_flow.claims}
    problems = []
    for claim in flow.claims:
        holder = flow if claim.number in before else book.find_claimants(claim.number)[0]
        if holder is not flow:
            problems.append(
                describe_claim_conflict(claim, next(other for other in holder.claims if other.number == claim.number))
            )
    return problems


def _set_problems(problems_by_flow: dict[str, list[Problem]], name: str, problems: list[Problem]) -> None:
    problems_by_flow.pop(name, None)
    if problems:
        problems_by_flow[name] = problems


def _get_flow_name(file_name: str) -> str:
    return Path(file_name).stem


def _read_signature(path: str) -> FileSignature:
    try:
        found = os.stat(path)  # noqa: PTH116 - creating a Path costs more than the stat call
    except OSError as error:
        return (-(error.errno or 1),)
    if stat.S_ISDIR(found.st_mode):
        return _NO_FILE_SIGNATURE
    if not stat.S_ISREG(found.st_mode):
        return (-errno.EINVAL,)  # a pipe or a device cannot be read as a file
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def _read_stable_file(path: str, signature: FileSignature) -> tuple[FileSignature, bytes]:
    """Read a file that does not change during the read, within ``_MAX_SNAPSHOTS`` attempts. Raises OSError."""
    for _ in range(_MAX_SNAPSHOTS):
        text = read_bounded_file(Path(path))
        before, signature = signature, _read_signature(path)
        if signature == before:
            return signature, text
    return _REREAD_SIGNATURE, text


def _hash_file(file: Path) -> bytes:
    with contextlib.suppress(OSError):
        return hashlib.blake2b(read_bounded_file(file)).digest()
    return b""

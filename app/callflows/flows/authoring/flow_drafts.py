"""Drafts of flow files: check a text before it is a file, put it into the folder, or make a patch of it.

A draft goes live as a whole file, at once, and only if nobody has changed the file meanwhile.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import lock_file, replace_file_text, resolve_links
from callflows.errors import DraftConflictError, DraftRefusedError, Problem, ReadOnlyFlowsError
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.folder_loader import load_folder_options, read_bounded_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook


_YAML_SUFFIXES: Final = (".yaml", ".yml")


class FlowSource(NamedTuple):
    """The file of a flow and its text; ``digest`` is empty if there is no file yet."""

    file: Path
    text: str
    digest: str


class CheckedDraft(NamedTuple):
    """A checked draft. ``flow`` is None if the draft has errors."""

    flow: Flow | None
    problems: Sequence[Problem]

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]


def hash_flow_text(text: str) -> str:
    """Return the digest by which a later change of a file is noticed."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def find_draft_file(folder: Path, flow: str) -> Path:
    """Return the YAML file of a flow; that of a new flow does not exist.

    A flow in Python is a program, and has no draft.
    """
    files = [folder / f"{flow}{suffix}" for suffix in _YAML_SUFFIXES]
    return next((file for file in files if file.exists()), files[0])


def read_flow_source(folder: Path, flow: str) -> FlowSource:
    """Read the file of a flow. Raises OSError if it cannot be read."""
    file = find_draft_file(folder, flow)
    try:
        text = read_bounded_file(file).decode("utf-8", "replace")
    except FileNotFoundError:
        return FlowSource(file, "", "")
    return FlowSource(file, text, hash_flow_text(text))


def check_draft(
    folder: Path, options: CompilerOptions, flow: str, text: str, others: FlowBook | None = None
) -> CheckedDraft:
    """Compile a text as if it were the file of a flow; problems have the place in that file.

    ``others`` are the live flows: a number that one of them has is an error. A text beside a program of the same name is
    an error, too.
    """
    file, program = find_draft_file(folder, flow), folder / f"{flow}.py"
    if program.exists() and not file.exists():
        problem = Problem(str(file), 1, 1, "error", "name-twice", f"{program} is named so already", "change the program")
        return CheckedDraft(None, [problem])
    for_all, _ = load_folder_options(folder, options)
    compiled = compile_flow(flow, text.encode(), str(file), for_all)
    problems = [*compiled.problems]
    if others is not None and compiled.flow is not None:
        conflicts = others.with_flows({flow: compiled.flow}).find_conflicts()
        problems += [conflict for conflict in conflicts if conflict.file == compiled.flow.file]
    return CheckedDraft(compiled.flow, problems)


def check_and_publish(
    folder: Path,
    options: CompilerOptions,
    flow: str,
    text: str,
    expected_digest: str,
    refresh_others: Callable[[], FlowBook],
) -> tuple[CheckedDraft, FlowSource]:
    """Check a draft beside the flows of the folder, and put it there; return it with the source before.

    ``refresh_others`` returns the flows as the files are now. Only one draft at a time goes live in a folder: otherwise two
    flows could take the same number at the same moment. Raises the errors of ``publish_draft``.
    """
    with _lock_folder(folder):
        draft = check_draft(folder, options, flow, text, refresh_others())
        return draft, publish_draft(folder, flow, draft, text, expected_digest)


@contextlib.contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; a folder that cannot be written has none, and publishing there is refused anyway."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(lock_file(folder / "drafts"))
        yield


def publish_draft(folder: Path, flow: str, draft: CheckedDraft, text: str, expected_digest: str) -> FlowSource:
    """Write a checked draft as the file of a flow, whole and at once; return the source before.

    Raises DraftRefusedError if the draft has errors, DraftConflictError if the file has not ``expected_digest`` any more,
    and ReadOnlyFlowsError, with a patch, if the folder cannot be written.
    """
    if draft.flow is None or draft.errors:
        raise DraftRefusedError(draft.errors)
    with _lock_flow_file(folder, flow, text) as before:
        if before.digest != expected_digest:
            raise DraftConflictError(f"{before.file} has changed meanwhile: compare, and begin the draft again")
        try:
            replace_file_text(resolve_links(before.file), text)
        except OSError as error:
            raise build_write_refusal(before, text, error) from None
    return before


@contextlib.contextmanager
def _lock_flow_file(folder: Path, flow: str, text: str) -> Iterator[FlowSource]:
    """Yield the current source while no other process may write it."""
    before = read_flow_source(folder, flow)
    with contextlib.ExitStack() as stack:
        try:
            if not os.access(resolve_links(before.file).parent, os.W_OK, effective_ids=True):
                raise PermissionError(13, "the folder is read-only")
            stack.enter_context(lock_file(resolve_links(before.file)))
        except OSError as error:
            raise build_write_refusal(before, text, error) from None
        yield read_flow_source(folder, flow)


def build_write_refusal(before: FlowSource, text: str, error: OSError, folder: Path | None = None) -> ReadOnlyFlowsError:
    """Return the error for a file that cannot be written, with a patch; ``folder`` is as for ``make_patch``."""
    reason = f"{before.file} cannot be written: {error.strerror or error}; apply the patch where the flows are kept"
    return ReadOnlyFlowsError(reason, make_patch(before, text, folder))


def make_patch(before: FlowSource, text: str, folder: Path | None = None) -> str:
    """Return a change as a patch for ``git apply``, with the path of the file in the folder above that of the flows."""
    inside = before.file.relative_to(resolve_links(folder)) if folder is not None else before.file.name
    path = f"{(folder or before.file.parent).name}/{inside}"
    old, new = (f"a/{path}" if before.digest else "/dev/null"), f"b/{path}"
    head = "" if before.digest else "new file mode 100644\n"
    return f"diff --git a/{path} b/{path}\n{head}{compare_sources(before.text, text, old, new)}"


def compare_sources(before: str, after: str, before_name: str, after_name: str) -> str:
    """Return the differences of two texts as a unified diff; empty if there are none."""
    lines = difflib.unified_diff(_split_lines(before), _split_lines(after), before_name, after_name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _split_lines(text: str) -> list[str]:
    """Split at line feeds only, as git does."""
    lines = [f"{line}\n" for line in text.split("\n")]
    return lines[:-1] if text.endswith("\n") or not text else [*lines[:-1], lines[-1].removesuffix("\n")]

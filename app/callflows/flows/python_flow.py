"""Python flows: the API for authors, and the job that runs one node outside the server process.

``describe_python_flow`` runs a file once to read the declarations, in a separate process with limits of time, memory and
output.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import json
import linecache
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from callflows.errors import PythonFlowError
from callflows.language import Extensions, Response, to_xml
from callflows.sandbox.sandbox_child import MAX_FRAME_BYTES
from callflows.sandbox.sandbox_pool import (
    DEFAULT_SANDBOX_MEMORY_BYTES,
    make_sandbox_command,
    make_sandbox_environment,
)
from callflows.telephony.turn import Turn, Variables

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from callflows.language import Dialect

    NodeFunction = Callable[[Turn], Awaitable[Response]]


DESCRIBE_TIMEOUT_SECONDS: Final = 20.0
"""A file that takes longer to describe itself is refused."""
MAX_DESCRIPTION_BYTES: Final = MAX_FRAME_BYTES
"""A file that prints more while it describes itself is refused."""
_OUTPUT_CHUNK_BYTES: Final = 65_536
_OUTPUT_LOOK_SECONDS: Final = 0.1
"""Time without output after which a look at the process shows if it has ended."""
_NODE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class PythonFlow:
    """A flow of Python functions. Created by ``flow``."""

    def __init__(
        self,
        name: str,
        numbers: Sequence[str],
        timezone: str,
        dialect: Dialect | None,
        fallback: Response | None,
        dial_policy: Mapping[str, Sequence[str]],
    ) -> None:
        self.name = name
        self.numbers = tuple(numbers)
        self.timezone = timezone
        self.dialect = dialect
        self.fallback = fallback
        self.dial_policy = dial_policy
        self.nodes: dict[str, NodeFunction] = {}

    def node(self, function: NodeFunction) -> NodeFunction:
        """Register a node (decorator): an ``async`` function from Turn to Response. The function's name is the node's name.

        Raises PythonFlowError for any other function, and for an invalid or repeated name.
        """
        name = getattr(function, "__name__", "")
        if not inspect.iscoroutinefunction(function):
            raise PythonFlowError(f"the node {name!r} must be an async function of a turn")
        if not _NODE_NAME.fullmatch(name) or name in self.nodes:
            raise PythonFlowError(f"the node {name!r} is there already, or cannot be named so")
        self.nodes[name] = function
        return function


def flow(
    name: str,
    *,
    numbers: Sequence[str] = (),
    timezone: str = "",
    dialect: Dialect | None = None,
    fallback: Response | None = None,
    dial_policy: Mapping[str, Sequence[str]] | None = None,
) -> PythonFlow:
    """Declare a flow in the file ``callflows/<name>.py``.

    ``numbers`` has the same form as in a flow file. ``fallback`` is served if anything goes wrong. Every call begins at the
    node ``start``. ``dial_policy`` has the keys of a flow file, as ``{"regions": ["US"]}``: a target that is not
    written out in the file is rung only if the policy allows it. Raises PythonFlowError for arguments of a wrong type.
    """
    if isinstance(numbers, str) or not all(isinstance(number, str) for number in numbers):
        raise PythonFlowError('numbers is a list of texts, as ["+12015550123"]')
    if dialect not in (None, "reference", "classic"):
        raise PythonFlowError(f"dialect must be reference or classic, not {dialect!r}")
    if not isinstance(name, str) or not isinstance(timezone, str):
        raise PythonFlowError("name and timezone are texts")
    policy = dial_policy or {}
    if not isinstance(policy, dict) or not all(isinstance(words, list | tuple) for words in policy.values()):
        raise PythonFlowError('dial_policy is a mapping of lists, as {"regions": ["US", "CA"]}')
    return PythonFlow(name, numbers, timezone, dialect, fallback, policy)


@dataclasses.dataclass(frozen=True, slots=True)
class PythonNodeJob:
    """Runs a node of a Python flow for a turn."""

    file: str
    source: str
    version: str
    node: str
    dialect: Dialect
    extensions: Extensions
    request_fields: Mapping[str, str]
    values: Mapping[str, Any]
    base_url: str
    auto_answer: bool | None
    timestamp: float
    zone: str

    async def run(self) -> dict[str, Any]:
        """Return ``document`` and ``links``: the node and the values of each unsigned URL, by the URL's token."""
        program = load_python_flow(self.file, self.source, self.version)
        links: dict[str, tuple[str, dict[str, Any]]] = {}
        turn = Turn(
            self.request_fields, get_base_url=lambda: self.base_url, auto_answer=self.auto_answer, clock=self.timestamp
        )
        turn.zone = ZoneInfo(self.zone) if self.zone else None
        turn.earlier_values = Variables(self.values)
        turn.reset_progress()
        turn.make_ticket_url = lambda node, values: _make_unsigned_url(program, self.base_url, links, node, values)
        response = await program.nodes[self.node](turn)
        if not isinstance(response, Response):
            raise PythonFlowError(f"the node {self.node!r} gave {type(response).__name__}, not a Response")
        document = to_xml(response, self.dialect, extensions=self.extensions).decode()
        python_object = _PYTHON_OBJECT.search(document)
        if python_object:
            raise PythonFlowError(
                f"a text has the Python object {python_object[1]}: name one of its fields, as turn.caller.name"
            )
        return {"document": document, "links": links}


_PYTHON_OBJECT: Final = re.compile("&lt;((?:[a-z]+ )*[A-Za-z_][^&;]{0,200}?) at 0x[0-9a-f]{6,16}(?:&gt;|>)")
"""How Python prints an object that has no text of its own."""


def _make_unsigned_url(
    program: PythonFlow, base: str, links: dict[str, tuple[str, dict[str, Any]]], node: str, values: Mapping[str, Any]
) -> str:
    """Return a URL with a token. The server signs the URL later, so a Python flow never sees a key."""
    if node not in program.nodes:
        raise PythonFlowError(f"no node is named {node!r}; there are {', '.join(program.nodes)}")
    token = f"ticket-{secrets.token_hex(16)}"
    links[token] = (node, dict(values))
    return f"{base}/call/{program.name}/{node}?ticket={token}"


@lru_cache(maxsize=256)
def load_python_flow(file: str, source: str, version: str) -> PythonFlow:  # noqa: ARG001 - another version is run anew
    """Run a file and return the flow. The file may import modules beside it, which its version includes.

    Raises any error of the file, and PythonFlowError unless the file makes exactly one flow.
    """
    _prepare_imports_from(os.path.dirname(os.path.abspath(file)))  # noqa: PTH100, PTH120 - as modules name their files
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {"__name__": Path(file).stem, "__file__": file}
    exec(compile(source, file, "exec"), names)  # noqa: S102 - the author's program: it is trusted code
    found = {id(value): value for value in names.values() if isinstance(value, PythonFlow)}
    if len(found) != 1:
        raise PythonFlowError(f"the file makes {len(found)} flows, and must make one: acme = flow('acme', …)")
    (program,) = found.values()
    return program


def _prepare_imports_from(folder: str) -> None:
    """Let programs import the modules of a folder, as they are in this moment."""
    if folder not in sys.path:
        sys.path.append(folder)  # the last: a flow named json must not shadow the module
    for name in _find_modules_of(folder):
        del sys.modules[name]
    importlib.invalidate_caches()


def _find_modules_of(folder: str) -> dict[str, str]:
    """Return the imported modules that stand in a folder, with their files; never our own, wherever the package is."""
    modules: dict[str, str] = {}
    for name, module in [*sys.modules.items()]:
        file, place = getattr(module, "__file__", None) or "", os.path.join(folder, *name.split("."))  # noqa: PTH118 - as above
        if file in (f"{place}.py", os.path.join(place, "__init__.py")) and not name.startswith("callflows"):  # noqa: PTH118
            modules[name] = file
    return modules


# Description of a file, made in a separate process


def describe_python_flow(file: Path, source: str, extensions: Extensions) -> dict[str, Any]:
    """Return ``name, numbers, timezone, dialect, nodes, fallback`` of a file, or ``error, line`` if the file fails.

    ``modules`` are the files beside it that it imports. ``is_transient`` is true if the machine may
    be the cause of the error.
    """
    asked = json.dumps({"file": str(file), "source": source, "kinds": _name_extension_kinds(extensions)})
    try:
        status, output, errors = _run_description(asked)
    except TimeoutError:
        message = f"the file does not come to its end within {DESCRIBE_TIMEOUT_SECONDS:.0f} seconds"
        return {"error": message, "line": 1, "is_transient": True}
    except OSError as error:
        return {"error": f"the file cannot be run: {error.strerror}", "line": 1, "is_transient": True}
    except BufferError:
        return {"error": f"the file prints more than {MAX_DESCRIPTION_BYTES:,} bytes when it is loaded", "line": 1}
    try:
        description = json.loads(output.rpartition("\n")[2])
    except (ValueError, RecursionError):
        error_lines = errors.strip().splitlines()
        message = f"the file ends Python: {error_lines[-1] if error_lines else f'exit code {status}'}"
        return {"error": message, "line": 1, "is_transient": status < 0}  # a signal ended it: memory may have been short
    if not _is_description(description):
        return {"error": "the file changes what Python itself writes and reads: its flow cannot be read", "line": 1}
    return description  # type: ignore[no-any-return] # checked above


def _run_description(asked: str) -> tuple[int, str, str]:
    """Run the separate process; return its exit status and what it wrote to standard output and standard error.

    Processes that the file has started are ended, too. Raises TimeoutError, and BufferError for too much output.
    """
    command = make_sandbox_command(
        "from callflows.sandbox.sandbox_child import limit_resources;"
        f" limit_resources({DEFAULT_SANDBOX_MEMORY_BYTES});"
        " from callflows.flows.python_flow import describe_main; describe_main()"
    )
    with tempfile.TemporaryFile() as request:
        request.write(asked.encode("utf-8", "replace"))
        request.seek(0)
        process = subprocess.Popen(  # noqa: S603 - runs this Python and our own module
            command,
            env=make_sandbox_environment(),
            stdin=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that a kill also ends processes that the file has started
        )
    with process:
        try:
            output, errors = _read_bounded_output(process)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def _read_bounded_output(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read both outputs until the process has ended, even if a process that it started holds them open."""
    deadline = time.monotonic() + DESCRIBE_TIMEOUT_SECONDS
    texts = (bytearray(), bytearray())
    with selectors.DefaultSelector() as selector:
        for pipe, text in zip((process.stdout, process.stderr), texts, strict=True):
            selector.register(pipe, selectors.EVENT_READ, text)  # type: ignore[arg-type] # both are pipes
        while selector.get_map():
            ready = selector.select(_OUTPUT_LOOK_SECONDS)
            for key, _ in ready:
                part = os.read(key.fd, _OUTPUT_CHUNK_BYTES)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
            if sum(map(len, texts)) > MAX_DESCRIPTION_BYTES:
                raise BufferError
            if not ready and process.poll() is not None:
                break
            if time.monotonic() > deadline:
                raise TimeoutError
    try:
        process.wait(max(0.0, deadline - time.monotonic()) + _OUTPUT_LOOK_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error  # it has closed its outputs, and goes on
    return bytes(texts[0]), bytes(texts[1])


def _is_description(found: Any) -> bool:  # noqa: ANN401 - JSON
    """Return True if the separate process wrote what ``_describe_source`` returns; a file may print, and change Python."""
    if not isinstance(found, dict):
        return False
    if "error" in found:
        return isinstance(found["error"], str) and isinstance(found.get("line"), int)
    kinds = {"name": str, "numbers": list, "timezone": str, "dialect": str | None, "dial_policy": dict, "nodes": dict}
    return all(name in found and isinstance(found[name], kind) for name, kind in {**kinds, "fallback": str}.items())


def _name_extension_kinds(extensions: Extensions) -> dict[str, dict[str, str]]:
    return {element: {name: kind.name for name, kind in kinds.items()} for element, kinds in extensions.kinds.items()}


def _describe_source(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        program = load_python_flow(request["file"], request["source"], "")
        fallback = ""
        if program.fallback is not None:
            extensions = Extensions.from_declarations(request["kinds"])
            fallback = to_xml(program.fallback, program.dialect or "reference", extensions=extensions).decode()
    except BaseException as error:  # noqa: BLE001 - an author's file may raise anything
        line = _find_error_line(error, request["file"])
        return {"error": f"{type(error).__name__}: {error}", "line": line, **_describe_imports(request["file"], error)}
    nodes = {name: getattr(node, "__code__").co_firstlineno for name, node in program.nodes.items()}  # noqa: B009
    description: dict[str, Any] = {"name": program.name, "numbers": program.numbers, "timezone": program.timezone}
    description |= {"dialect": program.dialect, "dial_policy": program.dial_policy}
    return {**description, "nodes": nodes, "fallback": fallback, **_describe_imports(request["file"])}


def _describe_imports(file: str, error: BaseException | None = None) -> dict[str, list[str]]:
    """Return ``modules``: the files beside a program that it imports, and the one that it misses."""
    folder = Path(file).absolute().parent
    modules = {*_find_modules_of(str(folder)).values()}
    if isinstance(error, ModuleNotFoundError) and error.name:
        modules.add(str(folder.joinpath(*error.name.split(".")).with_suffix(".py")))
    return {"modules": sorted(modules)}


def _find_error_line(error: BaseException, file: str) -> int:
    """Return the line in a file at which the error occurred, from 1."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 1
    return next((line for line in _iterate_error_lines(error, file)), 1)


def _iterate_error_lines(error: BaseException, file: str) -> Iterator[int]:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == file:
            yield frame.lineno or 1


def describe_main() -> None:
    """Read a request from stdin and write the description to stdout, in the separate process."""
    description = _describe_source(json.load(sys.stdin))
    # the author's file may print too: the server reads only the last line
    sys.stdout.write(f"\n{json.dumps(description)}")
    sys.stdout.flush()
    os._exit(0)  # functions that the file has registered for the end would write after it

"""``callflows serve`` under load while one thing is broken: callers, reports by webhook, and a receiver of effects."""

from __future__ import annotations

import collections
import contextlib
import http.client
import http.server
import itertools
import json
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
from callflows.errors import LanguageError
from callflows.language import from_xml
from command_process import build_environment, find_free_port
from waiting import join_thread, stop_process, wait_for_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    IsFelt = Callable[["FaultyServer"], object]
    BreakServer = Callable[["FaultyServer"], contextlib.AbstractContextManager[None]]

CALLS_PER_SECOND = 40
REPORTS_PER_SECOND = 20
MAX_ANSWER_SECONDS = 2.5
"""Time in which Opentact must have a document: the deadline of two seconds, and what a busy machine adds."""
NUMBERS = ("12015550123", "12015550123", "12015550123", "12015550124", "12015550125")
"""Numbers that are called in turn: the desk three times, the lookup, the program."""
SORRY = "We are sorry."
INIT = json.loads((Path(__file__).parents[1] / "journal" / "samples" / "event-2024-call-init.json").read_text())


def write_flows(folder: Path, outside: str) -> None:
    fallback = f"fallback:\n  - say: {SORRY}\n"
    folder.mkdir()
    (folder / "desk.yaml").write_text(
        "numbers: +12015550123\nnodes:\n  start:\n"
        f'    - notify: {{url: "{outside}/notify", payload: {{call: "{{{{ call.id }}}}"}}}}\n'
        f"    - say: Hello.\n{fallback}"
    )
    (folder / "crm.yaml").write_text(
        "numbers: +12015550124\nnodes:\n  start:\n"
        f'    - lookup: {{url: "{outside}/lookup?of={{{{ call.id }}}}", into: found, timeout: 1s, otherwise: unknown}}\n'
        f"    - say: You are {{{{ found.name }}}}.\n  unknown:\n    - say: Hello, whoever you are.\n{fallback}"
    )
    (folder / "program.py").write_text(
        "from pathlib import Path\nfrom callflows import Response, Say, flow\n"
        'program = flow("program", numbers=["+12015550125"], fallback=Response(Say("We are sorry.")))\n'
        "@program.node\nasync def start(turn):\n"
        f'    fault = Path("{folder.parent}/fault")\n'
        '    fault = fault.read_text() if fault.exists() else ""\n'
        '    if fault == "raise":\n        raise ValueError("a fault")\n'
        '    while fault == "spin":\n        pass\n'
        '    return Response(Say("Hello from a program."))\n'
    )


class Outside:
    """A server that answers lookups and takes webhooks. ``is_hanging`` makes it answer nothing."""

    def __init__(self) -> None:
        self.is_hanging = threading.Event()
        self.hung_lookups = 0
        self.arrivals: collections.Counter[str] = collections.Counter()
        """Effects by their id; each that arrived more than once was doubled."""
        outside = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                if outside.is_hanging.is_set() and self.path.startswith("/lookup"):
                    outside.hung_lookups += 1
                    time.sleep(1.5)
                if self.path.startswith("/notify"):
                    outside.arrivals[self.headers["webhook-id"]] += 1
                body = b'{"name": "Ann"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - names of http.server

            def log_message(self, *_arguments: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_arguments: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class FaultFigures(NamedTuple):
    """What became of calls, reports and effects while one thing was broken."""

    asked: int
    """Calls that a listening server accepted."""
    valid: int
    """Of these: answered with status 200 and a document that can be read."""
    late: int
    fallbacks: int
    broken: tuple[str, ...]
    """What the others got."""
    unreached: int
    """Calls that no server accepted."""
    slowest_seconds: float
    acknowledged: int
    lost: int
    """Acknowledged reports that are not in the journal."""
    effects: int
    doubled: int

    def __str__(self) -> str:
        worst = ", ".join(f"{count} times {what}" for what, count in collections.Counter(self.broken).most_common(3))
        return (
            f"asked {self.asked}, valid {self.valid}, late {self.late}, fallbacks {self.fallbacks}, "
            f"not reached {self.unreached}, slowest {self.slowest_seconds:.2f} s; acknowledged {self.acknowledged}, "
            f"lost {self.lost}; effects {self.effects}, doubled {self.doubled}{f'; WRONG: {worst}' if worst else ''}"
        )


class FaultyServer:
    """A server of its own folder, and those who ask it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.outside = Outside()
        self.flows = folder / "callflows"
        self.database = folder / "data" / "callflows.db"
        self.log = folder / "log"
        self.fault_file = folder / "fault"
        write_flows(self.flows, self.outside.url)
        self._port = find_free_port()
        self._numbers = itertools.count()
        self._settings = settings
        self._calls: list[tuple[str, float]] = []
        self._reports: list[tuple[str, int]] = []
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = build_environment(**self._settings, private_lookups="127.0.0.0/8", sandbox_processes="2")
        command = [sys.executable, "-m", "callflows.cli", "serve", "--port", str(self._port)]
        with self.log.open("a") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        wait_for_server(process, f"http://127.0.0.1:{self._port}/healthz", self.log)
        return process

    def restart(self) -> None:
        """Start again after the end of the process."""
        self.process.wait(15)
        self.process = self._start()

    def close(self) -> None:
        stop_process(self.process, 15)
        self.outside.close()

    @contextlib.contextmanager
    def run_load(self) -> Iterator[None]:
        """Ask and report, until the block ends."""
        over = threading.Event()

        def run_client(send_one: Callable[[int], None], rate: float) -> None:
            while not over.wait(1 / rate):
                send_one(next(self._numbers))

        clients = 4  # a slow answer holds up a quarter of the callers
        threads = [
            threading.Thread(target=run_client, args=(self._ask_call, CALLS_PER_SECOND / clients)) for _ in range(clients)
        ]
        threads.append(threading.Thread(target=run_client, args=(self._send_report, REPORTS_PER_SECOND)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                join_thread(thread)

    def _ask_call(self, number: int) -> None:
        query = f"from=%2B120155509{number % 100:02}&to={NUMBERS[number % len(NUMBERS)]}&call=call-{number}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        began = time.monotonic()
        try:
            connection.connect()
        except OSError:
            self._calls.append(("not reached", 0.0))
            return
        with contextlib.closing(connection):
            try:
                connection.request("GET", f"/call?{query}")
                reply = connection.getresponse()
                verdict = judge_answer(reply.status, reply.read())
            except (OSError, http.client.HTTPException) as error:
                verdict = type(error).__name__
        took = time.monotonic() - began
        self._calls.append((verdict, took))

    def _send_report(self, number: int) -> None:
        key = f"report-{number}"
        body = json.dumps({**INIT, "uuid": key, "call": {**INIT["call"], "uuid": f"call-of-{key}"}})
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("POST", "/webhook", body, {"Content-Type": "application/json"})
            self._reports.append((key, connection.getresponse().status))

    def count_verdicts(self, verdict: str) -> int:
        """Return how many calls of the current measurement got this verdict so far."""
        return sum(one == verdict for one, _ in self._calls)

    def read_status(self) -> dict[str, Any]:
        """Return what ``/readyz`` tells; empty without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            connection.request("GET", "/readyz")
            return dict(json.loads(connection.getresponse().read()))
        return {}

    def measure(self, break_it: BreakServer, seconds: float, is_felt: IsFelt | None = None) -> FaultFigures:
        """Break one thing for some seconds in the midst of load, and count.

        ``is_felt`` tells, while the thing is broken, that the server has met the fault. Fails if it never does.
        """
        self._calls, self._reports = [], []
        self.outside.arrivals.clear()
        with self.run_load():
            time.sleep(seconds / 2)
            with break_it(self):
                time.sleep(seconds)
                if is_felt is not None:
                    wait_until(lambda: is_felt(self), "an effect of the fault", seconds=20)
            time.sleep(seconds / 2)
        acknowledged = {key for key, status in self._reports if status in (200, 202, 204)}
        with contextlib.suppress(AssertionError):
            wait_until(lambda: acknowledged <= self._read_event_keys(), "the journal", seconds=15)
        with contextlib.suppress(AssertionError):
            desk = sum(verdict == "document" for verdict, _ in self._calls) * 3 // 5
            wait_until(lambda: len(self.outside.arrivals) >= desk * 0.9, "the effects", seconds=5)
        verdicts = [verdict for verdict, _ in self._calls]
        return FaultFigures(
            asked=len(verdicts) - verdicts.count("not reached"),
            valid=verdicts.count("document") + verdicts.count("fallback"),
            late=sum(took > MAX_ANSWER_SECONDS for _, took in self._calls),
            fallbacks=verdicts.count("fallback"),
            broken=tuple(verdict for verdict in verdicts if verdict not in ("document", "fallback", "not reached")),
            unreached=verdicts.count("not reached"),
            slowest_seconds=max((took for _, took in self._calls), default=0.0),
            acknowledged=len(acknowledged),
            lost=len(acknowledged - self._read_event_keys()),
            effects=len(self.outside.arrivals),
            doubled=sum(count > 1 for count in self.outside.arrivals.values()),
        )

    def _read_event_keys(self) -> set[str]:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self.database, timeout=5)) as database:
            return {key for (key,) in database.execute("SELECT key FROM events WHERE key LIKE '%report-%'")}
        return set()


def judge_answer(status: int, body: bytes) -> str:
    """``document``, ``fallback``, or what is wrong with an answer."""
    if status != http.client.OK:
        return f"status {status}"
    try:
        from_xml(body)
    except LanguageError:
        return "no document"
    return "fallback" if SORRY in body.decode() or b"cannot be taken" in body else "document"

"""What becomes of webhooks if the server is killed right after the answers that caused them.

``python tests/effects/kill_after_answer.py [ROUNDS]`` starts ``callflows serve``, makes calls that each cause a webhook,
kills the server with SIGKILL 0 to 0.8 seconds after the last answer, starts it again, and prints how many webhooks arrived.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

from callflows.outbound_http import get_tls_context

sys.path.insert(0, str(Path(__file__).parents[1]))
from command_process import CommandProcess, build_environment, run_serve
from waiting import kill_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS_PER_ROUND = 8
MAX_KILL_DELAY_SECONDS = 0.8
FLOW = """
numbers: +12015550123
nodes:
  start:
    - notify: {{url: "http://127.0.0.1:{port}/hook", payload: {{id: "{{{{ call.id }}}}"}}}}
    - say: Hello.
"""


class EffectFigures(NamedTuple):
    """What became of the webhooks of answered calls."""

    answered: int
    arrived: int
    repeated: int
    """Requests beyond the first of each call."""

    def __str__(self) -> str:
        return f"answered {self.answered}, webhooks that arrived {self.arrived}, repeated {self.repeated}"


class Receiver:
    """A server that notes the call of each webhook; while ``is_broken``, it answers 503."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_broken = False
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not receiver.is_broken:
                    receiver.calls.append(body["data"]["id"])
                self.send_response(503 if receiver.is_broken else 204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def run_serve_with_client(folder: Path) -> Iterator[tuple[CommandProcess, httpx.Client]]:
    environment = build_environment(private_lookups="127.0.0.0/8")
    with (
        run_serve(folder, env=environment) as (process, url),
        httpx.Client(base_url=url, trust_env=False, verify=get_tls_context(), timeout=20) as client,
    ):
        yield process, client


def measure_kills(
    folder: Path, rounds: int, *, is_receiver_broken: bool = False, max_delay: float = MAX_KILL_DELAY_SECONDS
) -> EffectFigures:
    """Answer calls and kill the server, some rounds; then start the server once more and count the webhooks."""
    receiver = Receiver()
    (folder / "callflows").mkdir()
    (folder / "callflows" / "desk.yaml").write_text(FLOW.format(port=receiver.port), encoding="utf-8")
    answered: set[str] = set()
    try:
        receiver.is_broken = is_receiver_broken
        for round_ in range(rounds):
            with run_serve_with_client(folder) as (process, client):
                for n in range(CALLS_PER_ROUND):
                    call = f"call-{round_}-{n}"
                    fields = {"from": f"+1201555{1000 + n}", "to": "+12015550123", "call": call}
                    assert "Hello." in client.get("/call", params=fields).text
                    answered.add(call)
                time.sleep(random.uniform(0, max_delay))  # noqa: S311 - no secret
                kill_process(process)
        receiver.is_broken = False
        with run_serve_with_client(folder), contextlib.suppress(AssertionError):
            wait_until(lambda: answered <= {*receiver.calls}, "all webhooks", seconds=300)
    finally:
        receiver.close()
    return EffectFigures(len(answered), len(answered & {*receiver.calls}), len(receiver.calls) - len({*receiver.calls}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(measure_kills(Path(scratch), int(sys.argv[1]) if sys.argv[1:] else 10))  # noqa: T201 - the result

"""Our own engine: on a stage in this process, live on loopback in a thread, and in a process that can be killed."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import uvicorn

from callflows import server
from callflows.flows.authoring.gallery.flow_templates import create_flow, load_flow_templates
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.tickets import TicketSigner
from callflows.rehearsal.platform_network import HttpNetwork
from callflows.rehearsal.rehearsed_call import LOCAL_ENGINE_URL, Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script
from callflows.rehearsal_engine import open_rehearsal_engine
from callflows.settings import Settings
from callflows.web.answer_engine import AnswerEngine
from shipped_flows import copy_shipped_flows
from waiting import join_thread, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime
    from pathlib import Path

    from callflows.rehearsal.transcript import Transcript

TICKET_SIGNER = TicketSigner([b"a key of the tests"])
SHIPPED_FLOWS = "shipped"
NUMBER = "+12015550123"
_VOLATILE_PARTS = re.compile(r"http://(?:127\.0\.0\.1:\d+|rehearsal\.localhost)|(?<=ticket=)[^&\\\"]*")
"""The hosts that our engine has, and its tickets."""


def prepare_flows(template: str, folder: Path) -> Path:
    """A folder with one flow: of a template, or that which is shipped."""
    if template == SHIPPED_FLOWS:
        return copy_shipped_flows(folder)
    create_flow(folder, "acme", template, "", {})
    return folder


FLOW_TEMPLATES = [SHIPPED_FLOWS, *sorted(load_flow_templates())]


def make_settings(flows: Path, dialect: str = "reference", **given: Any) -> Settings:
    return Settings(_env_file=None, flows=flows, dialect=dialect, **given)


@contextlib.asynccontextmanager
async def run_simulated_engine(flows: Path, dialect: str = "reference") -> AsyncIterator[HttpNetwork]:
    settings = make_settings(flows, dialect)
    book = load_flow_folder(flows, CompilerOptions(TICKET_SIGNER, settings.apology, settings.dialect)).book
    async with open_rehearsal_engine(settings, book, TICKET_SIGNER) as app, HttpNetwork(app) as web:
        yield web


@contextlib.contextmanager
def run_live_server(flows: Path, at: datetime, data: Path, dialect: str = "reference") -> Iterator[str]:
    """The URL of a server on loopback, whose clock stands."""

    def make_engine(**named: Any) -> AnswerEngine:
        return AnswerEngine(**named, clock=lambda: at)

    with mock.patch.object(server, "AnswerEngine", make_engine):
        app = server.create_app(make_settings(flows, dialect, data=data, workers=1))
    live_server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", log_config=None, lifespan="on"))
    thread = threading.Thread(target=live_server.run)
    thread.start()
    try:
        wait_until(lambda: live_server.started or not thread.is_alive(), "the start of a server")
        yield f"http://127.0.0.1:{live_server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        live_server.should_exit = True
        join_thread(thread)


async def ring_flow(
    web: HttpNetwork, at: datetime | None, keys: Any = "", callee: str = "answer", **given: Any
) -> Transcript:
    acts = parse_caller_script(keys) if keys else ()
    fields = {"number": NUMBER, "url": LOCAL_ENGINE_URL, **given}
    rehearsal = Rehearsal(at=at, caller=ScriptedCaller(acts), callees=ScriptedCallees(callee), **fields)
    return await rehearsal.run(web)


def strip_volatile_parts(transcript: Transcript) -> dict[str, Any]:
    """A transcript without what differs from call to call: ids, tickets, hosts, milliseconds, and our nodes."""
    call_data = transcript.to_json()
    for step in call_data["steps"]:
        step.pop("node", None)
    for request in call_data["requests"]:
        del request["ms"], request["trail"]
        request["url"] = request["url"].partition("&call=")[0]
    plain: dict[str, Any] = json.loads(_VOLATILE_PARTS.sub("", json.dumps(call_data, ensure_ascii=False)))
    return plain

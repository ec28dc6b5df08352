"""A stand-in that listens, and what a test does with it: REST, events, callers, servers of the customer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn
import websockets

from callflows.embedded_server import EmbeddedServer
from callflows.outbound_http import get_tls_context
from callflows.stand_in.stand_in_options import StandInNumber, StandInOptions
from callflows.stand_in.stand_in_server import run_stand_in
from waiting import MAX_WAIT_SECONDS, wait_until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from callflows.stand_in.stand_in_server import StandInServer

NUMBER = "+12015550123"
TO = "12015550123"
TOKEN = StandInOptions().token
PACE = 500.0
MENU = """<Response><Answer tag="lifted"/><Say>Press 1.</Say><Gather dtmf_length="1">
<DTMF value="1"><Dial><To>ann@acme.sip.opentact.org</To><Error><Say>Nobody is free</Say></Error></Dial></DTMF>
<DTMF value="2"><Record tag="message" asr="true"><Pause length="4000" dtmf_stop="#"/></Record></DTMF>
<Error><Hangup tag="silent"/></Error></Gather></Response>"""
SAY = "<Response><Say>{}</Say><Hangup/></Response>"


class StandInHarness:
    """A stand-in, asked with its token."""

    def __init__(self, server: StandInServer, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http
        self.events_url = server.events_url

    async def request_rest(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """REST."""
        given = {"json": body} if body is not None else {}
        return await self.http.request(method, f"{self.server.rest_url}{path}", **given, **more)

    async def request_payload(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """What REST gives; a test that is refused by mistake fails here."""
        reply = await self.request_rest(method, path, body, **more)
        assert reply.is_success, reply.text
        answer = reply.json()
        assert answer["success"] is True
        return answer["payload"]

    async def search_rows(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """The rows of a search."""
        rows: list[dict[str, Any]] = (await self.request_payload("POST", path, body))["data"]
        return rows

    async def request_control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The stand-in's own door, as somebody on this machine asks it."""
        given = {"json": body} if body is not None else {}
        return await self.http.request(method, f"{self.server.url}/stand-in{path}", headers={"x-auth-token": ""}, **given)

    async def ring_and_wait(self, **given: Any) -> dict[str, Any]:
        """A call from beginning to end: its transcript."""
        reply = await self.request_control("POST", "/calls", {"to": NUMBER, "wait": True, **given})
        assert reply.status_code == 200, reply.text
        transcript: dict[str, Any] = reply.json()
        return transcript

    async def start_call(self, **given: Any) -> str:
        """A call that begins: its id."""
        reply = await self.request_control("POST", "/calls", {"to": NUMBER, **given})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["uuid"])

    async def wait_until_over(self, uuid: str) -> dict[str, Any]:
        """The transcript of a call, once it is over."""

        async def read_finished_call() -> dict[str, Any] | None:
            call: dict[str, Any] = (await self.request_control("GET", f"/calls/{uuid}")).json()
            return call if call["over"] else None

        return await wait_until_async(read_finished_call, f"the end of the call {uuid}")

    async def inject_faults(self, **faults: Any) -> None:
        """Have faults."""
        reply = await self.request_control("POST", "/faults", faults)
        assert reply.status_code == 200, reply.text

    async def store_document(self, document: str) -> str:
        """Keep a static document for the number's app: the app's id."""
        (app,) = await self.request_payload("GET", "/sip/app")
        await self.request_payload("POST", f"/sip/app/call/flow/{app['uuid']}", files={"file": document.encode()})
        return str(app["uuid"])

    @contextlib.asynccontextmanager
    async def listen_to_events(self, token: str = TOKEN) -> AsyncIterator[EventListener]:
        """A websocket that is authenticated."""
        async with websockets.connect(self.events_url, ping_interval=None) as socket:
            await socket.send(json.dumps({"type": "auth", "payload": token}))
            listener = EventListener(socket)
            assert (await listener.next_event())["type"] == "auth"
            yield listener


class EventListener:
    """A websocket, and what came over it."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def next_event(self, timeout_seconds: float = MAX_WAIT_SECONDS) -> dict[str, Any]:
        """The next event."""
        event: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), timeout_seconds))
        self.events.append(event)
        return event

    async def wait_for_event(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that is like that."""
        while not matches(event := await self.next_event()):
            pass
        return event

    async def wait_for_events(self, *all_match: Callable[[dict[str, Any]], bool]) -> None:
        """Until there was an event like each of these, in any order."""
        missing = [*all_match]
        while missing:
            event = await self.next_event()
            missing = [matches for matches in missing if not matches(event)]

    async def wait_until_destroyed(self) -> None:
        """Until the caller's call is destroyed."""
        await self.wait_for_event(lambda event: event["message"].endswith(f"> {TO} - destroyed"))

    def events_of_type(self, kind: str) -> list[dict[str, Any]]:
        """What was heard of a type."""
        return [event for event in self.events if event["type"] == kind]


@contextlib.asynccontextmanager
async def run_harness(*, number: str = NUMBER, url: str = "", **options: Any) -> AsyncIterator[StandInHarness]:
    """A stand-in with a number."""
    pointed = StandInNumber(
        number=number, url=url, method=options.pop("method", "POST"), webhook=options.pop("webhook", "")
    )
    options_with_defaults = {"seed": "tests", "pace": PACE, "numbers": (pointed,) if number else (), **options}
    async with (
        run_stand_in(StandInOptions(**options_with_defaults)) as served,
        httpx.AsyncClient(headers={"x-auth-token": TOKEN}, trust_env=False, timeout=30, verify=get_tls_context()) as http,
    ):
        yield StandInHarness(served, http)


class CustomerServer:
    """A server of the customer: what it is asked, and what it answers by path."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, str, float]] = {}

    def set_answer(self, path: str, body: str = "", status: int = 200, delay: float = 0.0) -> str:
        """Answer a path so: its URL."""
        self.answers[path] = (status, body, delay)
        return f"{self.url}{path}"

    async def wait_for_requests(self, count: int, path: str) -> list[dict[str, Any]]:
        """What a path was asked, once it was that often."""

        def find_rows() -> list[dict[str, Any]]:
            return [row for row in self.requests if row["path"] == path]

        await wait_until_async(lambda: len(find_rows()) >= count, f"{count} requests for {path}")
        return find_rows()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body", False) or message.get("body"):
            body += message["body"]
            if not message.get("more_body"):
                break
        query = httpx.QueryParams(scope["query_string"].decode())
        row = {"method": scope["method"], "path": scope["path"], "query": [*query.multi_items()]}
        self.requests.append({**row, "json": json.loads(body) if body else None})
        status, text, after = self.answers.get(scope["path"], (404, "", 0.0))
        await asyncio.sleep(after)
        headers = [(b"content-type", b"application/xml")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})


@contextlib.asynccontextmanager
async def serve_app(app: Any) -> AsyncIterator[str]:
    """An ASGI app that listens: its URL."""

    config = uvicorn.Config(app, port=0, lifespan="auto", log_level="error", log_config=None, timeout_graceful_shutdown=1)
    server = EmbeddedServer(config)
    task = asyncio.create_task(server.serve())
    await wait_until_async(lambda: server.started or task.done(), "the start of a server")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def run_customer_server() -> AsyncIterator[CustomerServer]:
    """A customer's server that listens."""
    customer_server = CustomerServer()
    async with serve_app(customer_server) as url:
        customer_server.url = url
        yield customer_server

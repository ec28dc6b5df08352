"""A stand-in that listens, and what a test does with it: REST, events, callers, servers of the customer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn
import websockets

from app.rehearsal.stand_in.options import Number, Options
from app.rehearsal.stand_in.serving import stand_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from app.rehearsal.stand_in.serving import StandIn

NUMBER = "+12015550123"
TO = "12015550123"
TOKEN = Options().token
PACE = 500.0
MENU = """<Response><Answer tag="lifted"/><Say>Press 1.</Say><Gather dtmf_length="1">
<DTMF value="1"><Dial><To>ann@acme.sip.opentact.org</To><Error><Say>Nobody is free</Say></Error></Dial></DTMF>
<DTMF value="2"><Record tag="message" asr="true"><Pause length="4000" dtmf_stop="#"/></Record></DTMF>
<Error><Hangup tag="silent"/></Error></Gather></Response>"""
SAY = "<Response><Say>{}</Say><Hangup/></Response>"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives, in a loop of its own; never longer than a minute."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(bounded())


class There:
    """A stand-in, asked with its token."""

    def __init__(self, served: StandIn, http: httpx.AsyncClient) -> None:
        self.served = served
        self.http = http
        self.events = served.events

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """REST."""
        given = {"json": body} if body is not None else {}
        return await self.http.request(method, f"{self.served.rest}{path}", **given, **more)

    async def payload(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """What REST gives; a test that is refused by mistake fails here."""
        reply = await self.ask(method, path, body, **more)
        assert reply.is_success, reply.text
        said = reply.json()
        assert said["success"] is True
        return said["payload"]

    async def found(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """The rows of a search."""
        rows: list[dict[str, Any]] = (await self.payload("POST", path, body))["data"]
        return rows

    async def own(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The stand-in's own door, as somebody on this machine asks it."""
        given = {"json": body} if body is not None else {}
        return await self.http.request(method, f"{self.served.url}/stand-in{path}", headers={"x-auth-token": ""}, **given)

    async def call(self, **given: Any) -> dict[str, Any]:
        """A call from beginning to end: its transcript."""
        reply = await self.own("POST", "/calls", {"to": NUMBER, "wait": True, **given})
        assert reply.status_code == 200, reply.text
        told: dict[str, Any] = reply.json()
        return told

    async def begin(self, **given: Any) -> str:
        """A call that begins: its id."""
        reply = await self.own("POST", "/calls", {"to": NUMBER, **given})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["uuid"])

    async def over(self, uuid: str) -> dict[str, Any]:
        """The transcript of a call, once it is over."""
        while not (told := (await self.own("GET", f"/calls/{uuid}")).json())["over"]:  # noqa: ASYNC110 - a server is waited for
            await asyncio.sleep(0.01)
        return dict(told)

    async def broken(self, **faults: Any) -> None:
        """Have faults."""
        reply = await self.own("POST", "/faults", faults)
        assert reply.status_code == 200, reply.text

    async def keep(self, document: str) -> str:
        """Keep a static document for the number's app: the app's id."""
        (app,) = await self.payload("GET", "/sip/app")
        await self.payload("POST", f"/sip/app/call/flow/{app['uuid']}", files={"file": document.encode()})
        return str(app["uuid"])

    @contextlib.asynccontextmanager
    async def listening(self, token: str = TOKEN) -> AsyncIterator[Listener]:
        """A websocket that is authenticated."""
        async with websockets.connect(self.events, ping_interval=None) as socket:
            await socket.send(json.dumps({"type": "auth", "payload": token}))
            listener = Listener(socket)
            assert (await listener.next())["type"] == "auth"
            yield listener


class Listener:
    """A websocket, and what came over it."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def next(self, within: float = 10.0) -> dict[str, Any]:
        """The next event."""
        event: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), within))
        self.heard.append(event)
        return event

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that is like that."""
        while not wanted(event := await self.next()):
            pass
        return event

    async def ended(self) -> None:
        """Until the caller's call is destroyed."""
        await self.until(lambda event: event["message"].endswith(f"> {TO} - destroyed"))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """What was heard of a type."""
        return [event for event in self.heard if event["type"] == kind]


@contextlib.asynccontextmanager
async def there(*, number: str = NUMBER, url: str = "", **options: Any) -> AsyncIterator[There]:
    """A stand-in with a number."""
    pointed = Number(number=number, url=url, method=options.pop("method", "POST"), webhook=options.pop("webhook", ""))
    given = {"seed": "tests", "pace": PACE, "numbers": (pointed,) if number else (), **options}
    async with (
        stand_in(Options(**given)) as served,
        httpx.AsyncClient(headers={"x-auth-token": TOKEN}, trust_env=False, timeout=30) as http,
    ):
        yield There(served, http)


class Customer:
    """A server of the customer: what it is asked, and what it answers by path."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, str, float]] = {}

    def answer(self, path: str, body: str = "", status: int = 200, after: float = 0.0) -> str:
        """Answer a path so: its URL."""
        self.answers[path] = (status, body, after)
        return f"{self.url}{path}"

    async def got(self, count: int, path: str) -> list[dict[str, Any]]:
        """What a path was asked, once it was that often."""
        while len(asked := [row for row in self.asked if row["path"] == path]) < count:  # noqa: ASYNC110 - a server is waited for
            await asyncio.sleep(0.01)
        return asked

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body", False) or message.get("body"):
            body += message["body"]
            if not message.get("more_body"):
                break
        query = httpx.QueryParams(scope["query_string"].decode())
        row = {"method": scope["method"], "path": scope["path"], "query": [*query.multi_items()]}
        self.asked.append({**row, "json": json.loads(body) if body else None})
        status, text, after = self.answers.get(scope["path"], (404, "", 0.0))
        await asyncio.sleep(after)
        headers = [(b"content-type", b"application/xml")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """An ASGI app that listens: its URL."""

    class Quiet(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

    config = uvicorn.Config(app, port=0, lifespan="auto", log_level="error", timeout_graceful_shutdown=1)
    server = Quiet(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - a server is waited for
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def customer() -> AsyncIterator[Customer]:
    """A customer's server that listens."""
    made = Customer()
    async with serving(made) as url:
        made.url = url
        yield made

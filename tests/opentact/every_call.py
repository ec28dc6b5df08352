"""Every line of the operation table, called through the command, the client and the stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import json
import shlex
import threading
from typing import TYPE_CHECKING, Any

import typer
from fake_opentact import TOKEN

from callflows.cli.opentact_commands import WRITTEN_COMMANDS
from callflows.cli.operation_commands import build_group_command, format_example
from callflows.errors import CallflowsError
from callflows.opentact.operation_file import DOCUMENTED_TABLE, read_operation_file
from callflows.opentact.rest_operations import REST_OPERATIONS, UUID_EXAMPLE, RestOperation
from callflows.stand_in.request_bodies import InboundCallBody
from callflows.stand_in.stand_in_options import StandInNumber, StandInOptions
from callflows.stand_in.stand_in_server import StandInServer, run_stand_in
from waiting import join_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callflows.opentact.operation_file import OperationTable

NUMBER = "+12015550123"
DOMAIN = "acme.sip.opentact.org"
DOCUMENT = "<Response><Say>We are open.</Say></Response>"
FLOW = f"numbers: [{NUMBER}]\nlists: {{blocked: blocked.csv}}\nnodes: {{start: [say: We are open., hangup]}}\n"
LOST_NAMES = [operation.name for operation in REST_OPERATIONS if operation.is_lost]
ALL_NAMES = [
    *(operation.name for operation in REST_OPERATIONS),
    *(name for name in WRITTEN_COMMANDS if name not in DOCUMENTED_TABLE.operations),
]


def write_corrections(folder: Path) -> Path:
    """A file that fills in every lost call."""
    lines = ["calls:"]
    for name in LOST_NAMES:
        operation = DOCUMENTED_TABLE.get_operation(name)
        if operation.method == "POST":
            body = ", ".join(f'{field.name}: "{{{field.name}}}"' for field in operation.fields)
            lines.append(f"  {name}: {{path: /found/{name.replace(' ', '-')}, body: {{{body}}}}}")
        else:
            path = "/".join(f"{{{field.name}}}" for field in operation.fields)
            lines.append(f"  {name}: {{path: '/found/{name.replace(' ', '-')}/{path}'}}")
    file = folder / "opentact.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def write_folder(folder: Path) -> None:
    """Write what the examples name: flows, a list of callers, a document; and the corrections."""
    flows = folder / "callflows"
    flows.mkdir()
    for name in ("reminder", "front-desk"):
        (flows / f"{name}.yaml").write_text(FLOW, encoding="utf-8")
    (flows / "blocked.csv").write_text("number\n+12015550999\n", encoding="utf-8")
    (folder / "document.xml").write_text(DOCUMENT, encoding="utf-8")
    write_corrections(flows)


class EveryCall:
    """A stand-in in a thread, in which everything has the id of the examples."""

    def __init__(self, folder: Path) -> None:
        self.table, problems = read_operation_file(write_corrections(folder))
        assert problems == []
        self.server: StandInServer
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def run_in_thread(self) -> Iterator[EveryCall]:
        ready, stop = threading.Event(), asyncio.Event()
        options = StandInOptions(
            token=TOKEN,
            numbers=(StandInNumber(number=NUMBER),),
            table=self.table,
            pace=0.1,
            balance=1e6,
            listing="envelope",
        )

        async def work() -> None:
            async with run_stand_in(options) as self.server:
                ready.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: self._loop.run_until_complete(work()))
        thread.start()
        assert ready.wait(30), "the stand-in did not start"
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(stop.set)
            join_thread(thread)
            self._loop.close()

    def restore_examples(self, name: str) -> None:
        """Put everything that an example names into the stand-in."""
        asyncio.run_coroutine_threadsafe(self._restore_examples(name), self._loop).result(10)

    async def _restore_examples(self, name: str) -> None:
        platform = self.server.platform
        profile_fields = {"name": "main", "callback_url": None, "callback_url2": None}
        put_row(platform.messaging_profiles, profile_fields)
        put_row(platform.voice_profiles, {"name": "all", "is_active": True})
        app = {**next(iter(platform.apps)), "uuid": UUID_EXAMPLE, "name": "Example"}
        put_row(platform.apps, app)
        platform.static_documents[UUID_EXAMPLE] = DOCUMENT.encode()
        put_row(platform.connections, {"name": "pbx", "is_active": True})
        put_row(platform.domains, {"domain": DOMAIN, "sip_connection": None, "sip_control_app": None})
        for table in (platform.users, platform.invites, platform.switches):
            put_row(table, {"name": "ann", "login": "ann", "owner": UUID_EXAMPLE})
        for table in (platform.office_hours, platform.rooms, platform.tn_profiles, platform.orders, platform.subscriptions):
            put_row(table, {"name": "one", "type": "call_record", "channel": "wss"})
        put_row(platform.messages, {"type": "smsi" if "inbound" in name else "smso", "state": "success", "delivered": True})
        token = {"uuid": UUID_EXAMPLE, "name": "a", "token": "a-token-of-the-portal", "expired_on": "2999-01-01T00:00:00Z"}
        platform.tokens.created_rows[:] = [token]
        platform.leases.table._rows.clear()
        ordered = name in ("numbers order", "numbers price")
        lease = platform.leases.add_lease(12015550124 if ordered else 12015550123, features=["voice", "sms"])
        lease |= {"uuid": UUID_EXAMPLE, "messaging_profile": UUID_EXAMPLE, "sip_control_app": UUID_EXAMPLE}
        platform.leases.table._rows.clear()
        platform.leases.table._rows[UUID_EXAMPLE] = lease
        if name == "domains create":
            platform.domains._rows.clear()
        if name in self.table.operations:
            operation = self.table.get_operation(name)
            values = {field.name: field.example for field in operation.fields if field.is_required}
            self.server.rest.remembered_rows[name.rpartition(" ")[0]] = [values]
        if name in ("calls push", "calls show"):
            session = self.server.calls.start_inbound_call(InboundCallBody(to=NUMBER))
            session.leg.uuid = UUID_EXAMPLE
            self.server.calls._sessions[UUID_EXAMPLE] = session


def put_row(table: Any, fields: dict[str, Any]) -> None:
    row = {"created_on": "2026-03-05T16:30:00.000Z", "modified_on": "2026-03-05T16:30:00.000Z", **fields}
    table._rows[UUID_EXAMPLE] = {**row, "uuid": UUID_EXAMPLE}


@dataclasses.dataclass(frozen=True)
class CommandOutcome:
    code: int
    out: str
    err: str


def list_example_words(name: str, table: OperationTable = DOCUMENTED_TABLE) -> list[str]:
    """The arguments of the example in a command's help."""
    if name in WRITTEN_COMMANDS:
        words = [*name.split(" "), *shlex.split(WRITTEN_COMMANDS[name].example)]
    else:
        words = shlex.split(format_example(table.get_operation(name)))[2:]
    if "--format" not in words:
        words += ["--format", "json"]
    return [*words, *(["--yes"] if has_confirmation(name) else [])]


def has_confirmation(name: str) -> bool:
    if name in WRITTEN_COMMANDS:
        return "yes" in WRITTEN_COMMANDS[name].run.__annotations__
    return DOCUMENTED_TABLE.get_operation(name).effect in ("costs money", "reaches people", "takes away")


class CommandTree:
    """The commands, each group built once."""

    def __init__(self) -> None:
        self._groups: dict[str, Any] = {}

    def run_words(self, words: list[str]) -> CommandOutcome:
        group = words[0]
        if group not in self._groups:
            self._groups[group] = build_group_command(group)
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = self._groups[group].main(words[1:], prog_name=f"callflows opentact {group}", standalone_mode=False)
            except typer.Exit as end:
                code = end.exit_code
            except CallflowsError as error:
                code = 2
                err.write(str(error))
            except SystemExit as end:
                code = int(end.code or 0)
            except Exception as error:
                if not hasattr(error, "exit_code"):
                    raise
                code = error.exit_code
                err.write(str(error))
        return CommandOutcome(int(code or 0), out.getvalue(), err.getvalue())


def find_bad_body(operation: RestOperation) -> tuple[str, Any] | None:
    """A field of the body, and a value that it cannot have; None for a call without a body."""
    fields = [field for field in operation.list_fields("body") if field.kind != "json"]
    if not fields:
        return None
    chosen = next((field for field in fields if field.kind not in ("text", "object")), fields[0])
    return chosen.name, {"not": ["such"]} if chosen.kind not in ("object", "order") else "no object"


def list_example_values(operation: RestOperation) -> dict[str, Any]:
    """The values of an example: the required fields, and one more of a change."""
    wanted = [field for field in operation.fields if field.is_required]
    if operation.effect == "changes" and not any(field.place == "body" for field in wanted):
        wanted += operation.list_fields("body")[:1]
    return {field.name: field.example for field in wanted}


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True

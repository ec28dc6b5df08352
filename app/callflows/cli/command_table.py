"""The commands of ``callflows``, in the order of ``callflows --help``.

The table alone is enough for ``--help`` and for completion: a command's module is imported when the command is used.
"""

from __future__ import annotations

import importlib
from typing import Any, Final, NamedTuple


class RootCommand(NamedTuple):
    """A command, or a group of commands, and the place of its code.

    ``attribute`` is a function or a ``typer.Typer`` in the module of this folder. ``summary`` is the first paragraph of its
    help. ``example`` is a command line without ``callflows``; a group has none of its own.
    """

    module: str
    attribute: str
    summary: str
    example: str = ""

    def load(self) -> Any:  # noqa: ANN401 - a function or a group
        """Import the function or the group."""
        return getattr(importlib.import_module(f"callflows.cli.{self.module}"), self.attribute)


ROOT_COMMANDS: Final = {
    "serve": RootCommand(
        "serve_command",
        "serve",
        "Answer calls with the flows. In Opentact, enter the printed URL as remote call control URL.",
        "serve --port 8080",
    ),
    "check": RootCommand(
        "check_command",
        "check",
        "Check flow files and XML documents. Prints each problem with its place and its fix.",
        "check callflows/acme.yaml --strict",
    ),
    "numbers": RootCommand(
        "flow_commands", "numbers", "List every number and the flow that answers it.", "numbers --format json"
    ),
    "call": RootCommand(
        "call_commands",
        "call",
        "Ring a flow: a caller in the terminal, with no phone, no account, and no effects.",
        'call +12015550123 --keys 1 --at "2026-12-24 10:00" --trace',
    ),
    "stand-in": RootCommand(
        "stand_in_commands",
        "stand_in_command",
        "Imitate Opentact on this machine: REST, events, numbers, callers, and faults on demand.",
        "stand-in --number +12015550123 --url http://127.0.0.1:8000/call",
    ),
    "test": RootCommand(
        "scenario_commands",
        "scenario_test_command",
        "Run the scenarios of calls and texts that stand under tests in flow files: no phone, no account, no effects.",
        "test --coverage",
    ),
    "replay": RootCommand(
        "replay_command",
        "replay",
        "Run past calls through the current flows, or through a draft. Lists the calls that would go elsewhere, and why.",
        "replay --since 7d --draft new/front-desk.yaml",
    ),
    "versions": RootCommand(
        "version_commands",
        "versions",
        "List the versions of a flow, the newest first, with who made each live; or show what has changed since one.",
        "versions front-desk 4f2a",
    ),
    "rollback": RootCommand(
        "version_commands",
        "rollback",
        "Make an earlier version of a flow live again: the file gets its text, whole and at once, if it has no error.",
        "rollback front-desk 4f2a",
    ),
    "show": RootCommand(
        "flow_commands",
        "show",
        "Show a flow as an outline or a picture: its nodes, and where keys, conditions and silence lead.",
        "show front-desk --format svg > front-desk.svg",
    ),
    "prompts": RootCommand(
        "prompt_commands",
        "prompts",
        "List every prompt of a flow, with its recording or as spoken; print a script, or make recordings.",
        "prompts front-desk --script > script.md",
    ),
    "export": RootCommand(
        "flow_commands",
        "export",
        "Print a flow as one static document that Opentact can keep, or every reason why it cannot be one.",
        "export front-desk > front-desk.xml",
    ),
    "override": RootCommand(
        "flow_commands",
        "override",
        "Open or close a flow's hours until a moment; it holds at once, and ends by itself.",
        'override front-desk office closed --until "2026-12-24 18:00"',
    ),
    "new": RootCommand(
        "flow_commands",
        "new",
        "Begin a flow from a template; without --template the templates are listed.",
        "new acme --template clinic --number +12015550123",
    ),
    "import": RootCommand(
        "import_command",
        "import_command",
        "Make flow files of flows of Twilio Studio, TwiML, Amazon Connect, jambonz and Vonage, and report what was lost.",
        "import studio-flow.json -o callflows/acme.yaml",
    ),
    "verbs": RootCommand(
        "language_commands",
        "verbs",
        "Show the language's reference: every verb, or one with its attributes, evidence and dialects.",
        "verbs Gather",
    ),
    "words": RootCommand(
        "language_commands",
        "words",
        "Show the steps and keys of flow files, or some with their keys, an example, and their errors.",
        "words menu",
    ),
    "token": RootCommand("token_commands", "token_app", "Make, list and revoke tokens of the HTTP API."),
    "user": RootCommand("user_commands", "user_app", "Name the people of the console in the browser."),
    "schema": RootCommand("language_commands", "schema_app", "Print schemas."),
    "convert": RootCommand(
        "language_commands",
        "convert",
        "Write a document in the other dialect; refused, with the reason, rather than losing anything.",
        "convert menu.xml --dialect classic",
    ),
    "connect": RootCommand(
        "setup_commands",
        "connect",
        "Set up Opentact for the flows: app, URLs, numbers, events. Shows the plan and asks before changing anything.",
        "connect --dry-run",
    ),
    "doctor": RootCommand(
        "setup_commands",
        "doctor",
        "Report every problem of this installation, with its fix. Exit 1 if there is an error; a warning may be intended.",
        "doctor --offline",
    ),
    "alerts": RootCommand(
        "alert_command",
        "alerts",
        "Send a test to CALLFLOWS_ALERT_URL, which is told if callers of a flow hear the fallback or nothing.",
        "alerts",
    ),
    "opentact": RootCommand(
        "opentact_group", "opentact_app", "Use your Opentact account: every call of its REST API is a command."
    ),
    "campaign": RootCommand("campaign_commands", "campaign_app", "Call a list of people, and run a flow with each."),
    "events": RootCommand(
        "event_commands",
        "events",
        "Print Opentact's events as they come; what a broken connection missed is searched for.",
        "events --types call_state,sms --format json",
    ),
    "log": RootCommand(
        "log_commands",
        "log",
        "List calls, the newest first, or tell the whole story of one: what was asked, decided, answered, reported.",
        "log --number +12015550123 --since 1d --format json",
    ),
    "voicemails": RootCommand(
        "inbox_commands",
        "voicemails",
        "List voicemails, the newest first: who called, how long, new or handled, notes, transcript, and the link.",
        "voicemails --state new",
    ),
    "messages": RootCommand(
        "inbox_commands",
        "messages",
        "List text messages of both directions, the newest first, with their delivery as Opentact reported it.",
        "messages --direction in --since 1d",
    ),
    "watch": RootCommand(
        "watch_command", "watch", "Print calls as they arrive and as they end. Ctrl-C ends this.", "watch --flow front-desk"
    ),
    "forget": RootCommand(
        "log_commands",
        "forget",
        "Erase a number: its calls and messages, and every other mention of it in the records.",
        "forget +12015550999",
    ),
    "bench": RootCommand(
        "bench_command",
        "bench",
        "Measure how fast calls are answered, beside a constant route and FastAPI with twilio-python. Linux only.",
        "bench --rounds 3",
    ),
}

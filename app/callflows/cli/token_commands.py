"""``callflows token``: the tokens of the HTTP API for operators."""

from __future__ import annotations

import json
import time
from typing import Annotated, Final

import typer

from callflows.cli.cli_options import TableFormat, exit_with_notice, print_notice, print_table
from callflows.cli.command_groups import CommandGroup
from callflows.cli.journal_output import build_terminal_change, open_store, require_known_value

token_app = typer.Typer(cls=CommandGroup, help="Make, list and revoke tokens of the HTTP API.", no_args_is_help=True)
_SECONDS_PER_DAY: Final = 86_400.0


@token_app.command("create", epilog="Example: callflows token create dashboard --scope read --days 90")
def create_api_token(
    name: Annotated[str, typer.Argument(help="Who uses it, for the list and the audit log.")],
    scope: Annotated[
        str, typer.Option(help="read: see everything; operate: notes and what is handled, too; author: flows, too.")
    ] = "read",
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many days. Default: never.")] = None,
) -> None:
    """Make a token and print it. It is shown only now: the database has a hash of it."""
    from callflows.journal.api_tokens import API_SCOPES, create_token
    from callflows.text import clean_field

    require_known_value(scope, API_SCOPES, "--scope")
    if not clean_field(name):
        exit_with_notice("callflows: the name is missing", 2)
    with open_store(creates=True) as store:
        if store is not None:
            change = build_terminal_change()
            until = time.time() + days * _SECONDS_PER_DAY if days else None
            print(store.run_writing(create_token, clean_field(name), scope, change, until))


@token_app.command("list", epilog="Example: callflows token list --format json")
def list_api_tokens(
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
) -> None:
    """List all tokens, without their secrets."""
    from callflows.journal.api_tokens import TOKEN_FIELDS, query_tokens

    with open_store() as store:
        rows = store.run_reading(query_tokens) if store is not None else []
    if output is TableFormat.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    elif rows:
        print_table([TOKEN_FIELDS, *([row[name] or "" for name in TOKEN_FIELDS] for row in rows)])
    else:
        print_notice("no tokens")


@token_app.command("revoke", epilog="Example: callflows token revoke 4f2a9c01d3e7")
def revoke_api_token(id_: Annotated[str, typer.Argument(metavar="ID", help="The id, as the list shows it.")]) -> None:
    """Revoke a token: from now on it is refused."""
    from callflows.journal.api_tokens import revoke_token

    with open_store() as store:
        change = build_terminal_change()
        if store is None or not store.run_writing(revoke_token, id_, change):
            exit_with_notice(f"callflows: there is no valid token {id_!r}: callflows token list shows them", 1)
    print(f"token {id_} is revoked")

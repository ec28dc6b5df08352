"""``callflows user``: the people of the console in the browser."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from callflows.cli.cli_options import exit_with_notice, load_command_settings, print_notice, print_table
from callflows.cli.command_groups import CommandGroup
from callflows.cli.journal_output import record_audit, require_known_value

user_app = typer.Typer(cls=CommandGroup, help="Name the people of the console in the browser.", no_args_is_help=True)


@user_app.command("add", epilog="Example: callflows user add ann --role operator")
def add_console_user(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[
        str, typer.Option(help="viewer: sees everything; operator: also notes, inbox, hours; author: also flows.")
    ] = "viewer",
    reads_password: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--password-stdin", help="Read the password from the standard input, without asking.")
    ] = False,
) -> None:
    """Add a person, or change a person's role and password. The file has a hash of the password (argon2).

    Old sessions of the person end. A running server knows it at once.
    """
    from callflows.web.console.console_accounts import CONSOLE_ROLES, write_console_user

    require_known_value(role, CONSOLE_ROLES, "--role")
    if reads_password:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        exit_with_notice("callflows: no terminal to ask for a password: use --password-stdin", 2)
    file = load_command_settings().console_users_file
    file.parent.mkdir(parents=True, exist_ok=True)
    is_new = write_console_user(file, name, role, password)
    record_audit("user", f"user {name}", "", role)
    print(f"{name} is {'a new' if is_new else 'now'} {role} in {file}")


@user_app.command("list", epilog="Example: callflows user list")
def list_console_users() -> None:
    """List the people and their roles."""
    from callflows.web.console.console_accounts import read_console_users

    users = read_console_users(load_command_settings().console_users_file)
    if users:
        print_table([("name", "role"), *((name, user.role) for name, user in users.items())])
    else:
        print_notice("nobody yet: callflows user add NAME")


@user_app.command("remove", epilog="Example: callflows user remove ann")
def remove_person(name: Annotated[str, typer.Argument(help="The name, as the list shows it.")]) -> None:
    """Remove a person. The person's sessions end at once."""
    from callflows.web.console.console_accounts import remove_console_user

    file = load_command_settings().console_users_file
    if not remove_console_user(file, name):
        exit_with_notice(f"callflows: there is nobody named {name!r}: callflows user list shows all", 1)
    record_audit("user", f"user {name}", name, "")
    print(f"{name} is removed")

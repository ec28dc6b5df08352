"""``callflows opentact``: a group whose commands are built when they are needed, because there are more than a hundred."""

from __future__ import annotations

from typing import Any

import typer

from callflows.cli.command_groups import LazyGroup


class OpentactGroup(LazyGroup):
    """Builds the commands of one group at a time."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - as the base class has it
        from callflows.cli.operation_commands import list_group_names

        return list_group_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as the base class has it
        from callflows.cli.operation_commands import build_group_command

        return build_group_command(cmd_name)

    def get_summary(self, ctx: Any, name: str) -> str:  # noqa: ANN401 - as the base class has it
        from callflows.cli.operation_commands import GROUP_HELP

        return GROUP_HELP.get(name) or super().get_summary(ctx, name)


opentact_app = typer.Typer(
    cls=OpentactGroup,
    help="Use your Opentact account: every call of its REST API is a command.",
    no_args_is_help=True,
)

"""Groups of commands: their help, and those that import the code of a command when it is used."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """Lists each command with the whole first paragraph of its help, which typer would cut off."""

    def get_summary(self, ctx: Any, name: str) -> str:  # noqa: ANN401 - as the methods of the base class
        """Return the first paragraph of a command's help."""
        return inspect.cleandoc(self.get_command(ctx, name).help).partition("\n\n")[0]  # type: ignore[union-attr, arg-type] # it is listed

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as the base class has it
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.get_summary(ctx, name)) for name in self.list_commands(ctx)])


class LazyGroup(CommandGroup):
    """Builds each command when it is needed. Subclasses have ``list_commands`` and ``get_command``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as the base class has it
        self.commands = dict.fromkeys(self.list_commands(ctx))  # type: ignore[assignment] # names for "did you mean" alone
        return super().resolve_command(ctx, args)

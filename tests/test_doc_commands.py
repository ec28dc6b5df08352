"""The commands that the pages name exist, with their options."""

from __future__ import annotations

import re
import shlex
from typing import Any

import typer

from callflows.cli.root_commands import root_app
from doc_pages import list_pages, read_blocks
from each_case import each_case

PAGES = {
    page: text
    for page, text in list_pages().items()
    if page.startswith("docs/how-to/") or page in {"docs/opentact.md", "docs/opentact-client.md", "docs/commands.md"}
}
ROOT_COMMAND: Any = typer.main.get_command(root_app)


def list_commands(text):
    """The command lines of a page's shell blocks, and those that stand in backticks within sentences."""
    lines = [line for block in read_blocks(text) if block.language in {"sh", "console"} for line in block.text.splitlines()]
    joined = "\n".join(line.removeprefix("$ ") for line in lines).replace("\\\n", " ")
    yield from (line for line in joined.splitlines() if line.startswith("callflows "))
    sentences = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (found for found in re.findall(r"`(callflows [^`]+)`", sentences) if not re.search(r"[…|\\]", found))


def find_fault(line):
    """What is wrong with a command line, or an empty text."""
    words = shlex.split(line.partition(" | ")[0].partition(" > ")[0], comments=True)[1:]
    command = ROOT_COMMAND
    context = command.make_context("callflows", [], resilient_parsing=True)
    while words and hasattr(command, "list_commands"):  # the group opentact is read from its table when asked
        inner = command.get_command(context, words[0])
        if inner is None:
            return "" if words[0].startswith("-") else f"there is no command {words[0]!r} in {line!r}"
        context = inner.make_context(words.pop(0), [], parent=context, resilient_parsing=True)
        command = inner
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{line!r} has no {unknown[0]}" if unknown else ""


@each_case("page", [page for page in PAGES if any(list_commands(PAGES[page]))])
def test_the_commands_of_a_page_exist(page):
    assert [fault for fault in map(find_fault, list_commands(PAGES[page])) if fault] == []


def test_a_command_or_an_option_that_is_not_there_is_found():
    assert find_fault("callflows opentact numbers serch --format json")
    assert find_fault("callflows check --strikt")
    assert not find_fault("callflows opentact numbers search --format json")

"""Notices for people, and for a program that reads standard error."""

from __future__ import annotations

import json

import pytest
import typer

from callflows.cli import cli_options


def test_a_notice_in_json_has_the_level_error_only_if_the_command_fails(monkeypatch, capsys):
    monkeypatch.setattr(cli_options._NOTICE_STYLE, "is_json", False)  # noqa: SLF001 - put back after the test
    cli_options.print_notice("for people")
    cli_options.write_notices_as_json()
    cli_options.print_notice("all is well")
    for code in (0, 2):
        with pytest.raises(typer.Exit):
            cli_options.exit_with_notice("it ends", code)
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "for people"
    assert [json.loads(line)["level"] for line in lines] == ["info", "info", "error"]

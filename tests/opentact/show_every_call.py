"""Print a Markdown table of every call: the command, and its verdict at the stand-in and at the second server.

Run as ``python tests/opentact/show_every_call.py``. Lost calls are filled in as an operator would, in ``opentact.yaml``.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # run as a program, not by pytest

from every_call import ALL_NAMES, CommandTree, EveryCall, is_json, list_example_words, write_folder  # noqa: E402 - as above
from fake_opentact import TOKEN  # noqa: E402 - as above
from table_server import TableServer  # noqa: E402 - as above

from callflows.opentact.operation_file import DOCUMENTED_TABLE  # noqa: E402 - as above


def judge_command(tree: CommandTree, words: list[str], url: str) -> str:
    os.environ["CALLFLOWS_OPENTACT_URL"] = url
    done = tree.run_words(words)
    if done.code == 0 and is_json(done.out):
        return "works"
    return f"exit {done.code}: {' '.join(done.err.split())[:120]}"


def main() -> int:
    """Print the table; return 1 if a call does not work at the stand-in."""
    for name in [*os.environ]:
        if name.startswith("CALLFLOWS_"):
            del os.environ[name]
    os.environ["CALLFLOWS_OPENTACT_TOKEN"] = TOKEN
    failed = 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_folder(Path(folder))
        tree = CommandTree()
        with EveryCall(Path(folder) / "callflows").run_in_thread() as calls, TableServer().run_in_thread() as second:
            second.rows["/tn/search"] = [{"tn": 12015550123}]
            print("| command | call | evidence | stand-in | server written from the sources |")
            print("|---|---|---|---|---|")
            for name in ALL_NAMES:
                operation = DOCUMENTED_TABLE.operations.get(name)
                words = list_example_words(name, calls.table)
                calls.restore_examples(name)
                here = judge_command(tree, words, calls.server.rest_url)
                failed += here != "works"
                there = judge_command(tree, words, second.url)
                request = f"`{operation.request_name}`" if operation else "several"
                evidence = operation.evidence if operation else ""
                shown = shlex.join(words).replace("|", "\\|")
                print(f"| `callflows opentact {shown}` | {request} | {evidence} | {here} | {there} |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Write the real output of each command into the pages: ``python tests/write_doc_outputs.py docs/tutorial.md``.

Run it after a change of what commands print, and read the diff. A command whose output is shortened with … is left alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "cli"))
from command_runner import run_command

from doc_pages import read_blocks, run_console, write_block


def write_outputs(page: Path) -> None:
    """Do with a page what its reader does, and replace the output below each command."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for block in read_blocks(text):
            if block.title.startswith("callflows/"):
                write_block(block, Path(folder))
            elif block.language == "console":
                written = ""
                for command, expected, output in run_console(block, run_command):
                    lines = expected.splitlines() if "…\n" in expected else output.rstrip().splitlines()
                    written += "\n".join([f"$ {command}", *lines]) + "\n"
                text = text.replace(f"```console\n{block.text}```", f"```console\n{written}```", 1)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    for name in [Path(name).resolve() for name in sys.argv[1:]]:
        write_outputs(name)

"""The pages of the documentation as the tests read them: code blocks, and the folder that a page's reader would have."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r'^( *)```(\w+)(?: +title="([^"]+)")?\n(.*?)^ *```$', re.MULTILINE | re.DOTALL)


class CodeBlock(NamedTuple):
    """A code block: its language, the file that its title names, its text without indentation, its line."""

    language: str
    title: str
    text: str
    line: int

    @property
    def is_flow_file(self) -> bool:
        """Return whether the block is a whole flow file, not a part of one."""
        if self.language != "yaml":
            return False
        data = yaml.load(self.text, yaml.BaseLoader)  # noqa: S506 - texts only
        return isinstance(data, dict) and ("nodes" in data or "template" in data)


def list_pages() -> dict[str, str]:
    """Return the text of each page by its path, as ``README.md`` and ``docs/how-to/pin.md``."""
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files if file.is_file()}


def read_blocks(text: str) -> list[CodeBlock]:
    """Return the code blocks of a page in their order."""
    return [
        CodeBlock(
            match[2],
            match[3] or "",
            re.sub(rf"^{match[1]}", "", match[4], flags=re.MULTILINE),
            text.count("\n", 0, match.start()) + 1,
        )
        for match in _FENCE.finditer(text)
    ]


def write_block(block: CodeBlock, folder: Path) -> None:
    """Do with a titled block what a reader does: write the file, or change it as a diff says."""
    file = folder / block.title
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(apply_diff(file, block) if block.language == "diff" else block.text, encoding="utf-8")


def apply_diff(file: Path, block: CodeBlock) -> str:
    """Return the file's text, changed. The lines of the diff that stay or go must stand in the file once."""
    lines = block.text.splitlines()
    old = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    new = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"line {block.line}: the diff does not fit {block.title}"
    return text.replace(old, new)


def run_console(block: CodeBlock, run: Callable[..., tuple[int, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Run the commands of a ``console`` block. Yields command, expected output, output."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        program, *arguments = shlex.split(command, comments=True)
        assert program == "callflows", f"line {block.line}: only callflows is run in console blocks"
        _, out, err = run(*arguments)
        yield command, expected, out + err


def is_output(expected: str, output: str) -> bool:
    """Compare output with what a page shows; a line with nothing but … stands for any lines."""
    pattern = ".*\n?".join(map(re.escape, re.split(r"^ *…\n", expected.rstrip() + "\n", flags=re.MULTILINE)))
    return re.fullmatch(pattern, output.rstrip() + "\n", re.DOTALL) is not None

"""Flows that are an XML template: rendered apart for each turn, and read as any document before it leaves."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from app.errors import ExpressionError
from app.flows.apart import plain, result
from app.flows.book import START, Entry
from app.flows.expressions.sandbox import LANG, environment
from app.flows.expressions.scope import sight_of
from app.flows.pieces import EPILOGUE, PROLOGUE
from app.language import Extensions, from_xml, to_xml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jinja2 import Environment

    from app.calls import Turn
    from app.flows.compiler import Compiler
    from app.flows.pieces import Piece
    from app.language import Dialect

HERE: Final = "here"
"""The name by which a template knows its own signed URL, to which a Gather or a Callback may come back."""
MAX_BYTES: Final = 1_000_000
"""A template of more bytes is refused."""


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A template with what it sees."""

    source: str
    dialect: Dialect
    extensions: Extensions
    seen: Mapping[str, Any]

    def do(self) -> str:
        """What stands in the Response. Raises what the template raises, and DocumentError where it gives none."""
        document = _template(self.source).render(self.seen).strip()
        read = from_xml(document.encode("utf-8", "replace"), extensions=self.extensions)
        written = to_xml(read, self.dialect, extensions=self.extensions).decode()
        return written.removeprefix(PROLOGUE).removesuffix(EPILOGUE) if written.endswith(EPILOGUE) else ""


def _read(file: Path, name: str) -> str:
    if ".." in name or name.startswith("/"):
        raise ValueError("it must stand beside its flow file")
    with file.open("rb") as opened:
        source = opened.read(MAX_BYTES + 1)
    if len(source) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return source.decode("utf-8-sig")


def documents(compiler: Compiler, folder: Path) -> dict[str, Mapping[Entry, tuple[Piece, ...]]]:
    """The one node of a template; nothing, with an error said, where it cannot be."""
    report, name = compiler.report, compiler.file.template
    file = folder / name
    compiler.reads.add(file)
    try:
        source = _read(file, name)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        report.error(("template",), "template-file", f"template: {name!r} cannot be read: {said}", "as acme.xml.j2")
        return {}
    try:
        uses = compiler.prompts.template(source, {HERE: {}})
    except ExpressionError as error:
        report.error(("template",), "template", f"{name}:{error.line}: {error}", error.mend)
        return {}
    compiler.reach.look(START, uses - {HERE}, ("template",))
    compiler.version_of(source)
    sights = tuple(sight_of(use) for use in sorted({*uses, "now"} - {HERE}))
    link = compiler.url(START, Entry(answered=True)) if HERE in uses else None
    dialect, extensions, lang = compiler.dialect, compiler.options.extensions, compiler.voice.get("lang", "en-US")

    def hole(turn: Turn) -> str:
        seen: dict[str, Any] = {LANG: lang}
        for sight in sights:
            sight(turn, seen)
        seen["digits"] = turn.pressed
        if link is not None:
            seen[HERE] = link(turn)
        made: str = result(turn, Document(source, dialect, extensions, seen))
        return made

    entries = (Entry(), Entry(answered=True))
    return {START: dict.fromkeys(entries, (hole,))}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = environment()
    made.autoescape = True
    made.finalize = _finalized
    return made


def _finalized(value: object) -> Any:  # noqa: ANN401 - what a macro wrote stays markup
    return value if hasattr(value, "__html__") else plain(value)


@lru_cache(maxsize=256)
def _template(source: str) -> Any:  # noqa: ANN401 - Jinja's
    return _environment().from_string(source)

"""What authors write as text: compiled, looked at, and put on paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from app.errors import BuildError, ExpressionError
from app.flows.paper import Paper
from app.language import Meta, Say
from app.language.values import URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.flows.expressions.doubts import Doubt
    from app.flows.places import Path
    from app.flows.prompts import Condition, Text

_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class Texts(Paper):
    """Paper for texts and conditions that may change from call to call."""

    lang = ""
    """The language of the text that is written, where it is another than the file's."""

    def say(self, text: str, path: Path, voice: Mapping[str, str] | None = None) -> Say:
        """A Say in the file's voice, as far as it has none of its own."""
        spoken = {**self.compiler.voice, **(voice or {})}
        self.spoken(text, path)
        self.lang = spoken.get("lang", "")
        written = self.prose(text, path)
        self.lang = ""
        return Say(written, **cast("Any", spoken))

    def spoken(self, text: object, path: Path) -> None:
        """Say that there is nothing to be said."""
        if isinstance(text, str) and not text.strip() and not self.compiler.report.place(path).cut:
            self.warning(
                path, "empty-text", "the text is empty: callers hear nothing", "write what is to be said, or take it out"
            )

    def metas(self, given: Mapping[str, object], path: Path) -> list[Meta]:
        """``{name: value}`` as Metas."""
        made = []
        for name, value in given.items():
            if not isinstance(value, str):
                self.error((*path, name), "value", f"meta: {name}: must be a text")
                continue
            try:
                made.append(Meta(self.prose(value, (*path, name)), name=name))
            except BuildError as error:
                self.error((*path, name), "value", f"meta: {error}")
        return made

    def prose(self, text: str, path: Path, *, url: bool = False) -> str:
        """A text that callers hear, or a URL; refused where a comment cut it short."""
        self.whole(path)
        return self.text(text, path, url=url)

    def whole(self, path: Path) -> None:
        """Refuse a text that a comment cut short."""
        cut = self.compiler.report.place(path).cut
        if cut:
            said = f"YAML takes {cut!r} for a comment and the text ends before it"
            self.error(path, "comment-in-text", said, "quote the text")

    def text(self, source: str, path: Path, *, url: bool = False) -> str:
        """An author's text for a verb: itself, or a mark where it changes from call to call."""
        text = self.template(source, path, url=url)
        if text is None:
            return source if url else ""
        if text.constant is not None:
            return text.constant
        hole = self.compiler.hole(text, url=url, lang=self.lang)
        if not url:
            return self.mark(hole)
        try:
            URL.read(_TEMPLATE.sub("x", source))
        except ValueError as error:
            self.error(path, "value", f"url: {error}", "write its scheme and host; what is in braces is percent-encoded")
        return self.mark_url(hole)

    def template(self, source: str, path: Path, *, url: bool = False) -> Text | None:
        """An author's text, compiled; None, with an error said, where it cannot be."""
        try:
            text = self.compiler.prompts.text(source, url=url, lang=self.lang)
        except ExpressionError as error:
            self.error(path, "template", str(error), error.mend, line=error.line)
            return None
        if text.constant is None:
            if self.static:
                said = "the fallback needs nothing but itself, and this text needs the call"
                self.error(path, "fallback-not-static", said)
            self.uses(text, path, f"the text asks for {_listed(text.uses)}")
        self._doubt(text.doubts, path)
        return text

    def expression(self, source: str, path: Path, key: str) -> Condition | None:
        """An author's expression, compiled; None, with an error said, where it is none."""
        if self.static:
            said = "the fallback needs nothing but itself, and this condition needs the call"
            self.error(path, "fallback-not-static", said)
        try:
            made = self.compiler.prompts.condition(source)
        except ExpressionError as error:
            self.error(path, "expression", f"{key}: {error}", error.mend)
            return None
        self.uses(made, path, f"the condition asks for {_listed(made.uses)}")
        self._doubt(
            [doubt for doubt in made.doubts if key == "when" or doubt.rule != "constant-condition"], path, f"{key}: "
        )
        return made

    def _doubt(self, doubts: Iterable[Doubt], path: Path, key: str = "") -> None:
        """Say what is doubtful about a condition."""
        for severity, rule, message, mend in doubts:
            (self.error if severity == "error" else self.warning)(path, rule, f"{key}{message}", mend)

    def uses(self, made: Condition | Text, path: Path, why: str) -> None:
        """Note what this node looks at."""
        self.why.setdefault(path, why)
        self.compiler.reach.look(self.node, made.uses, path)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "something that changes"

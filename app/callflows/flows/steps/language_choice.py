"""Texts and prompts in several languages: the language of the call decides when the document is rendered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.source.prompt_shape import CALL_LANGUAGE
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath


FIXED_LANGUAGE: Final = "-"
"""Stands for the language if a step names its own voice."""
_EXPRESSIONS: Final = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)|\{#.*?(?:#\}|\Z)", re.DOTALL)
_LETTER: Final = re.compile(r"[^\W\d_]")


def find_known_variants(context: StepContext, variants: Mapping[str, Any], path: SourcePath) -> list[str]:
    """Return the languages of the flow for which there is a variant, the default language first.

    Reports languages that the flow does not have, and languages without a variant.
    """
    languages = context.flow.languages
    for name in variants:
        if name in languages:
            continue
        fix = "name them: languages: {en: en-US, es: es-US}"
        if languages:
            fix = format_suggestion(name, languages) or f"there are {', '.join(languages)}"
        context.report.error((*path, name), "unknown-language", f"the flow has no language {name!r}", fix, key=True)
    known = [name for name in languages if name in variants]
    missing = [name for name in languages if name not in variants]
    if known and missing:
        message = f"there is no text for {', '.join(missing)}: callers hear the one for {known[0]}"
        context.report.warning(path, "no-translation", message, f"add {missing[0]}: …")
    return known


def write_by_language(
    context: StepContext,
    variants: Mapping[str, Any],
    path: SourcePath,
    write_variant: Callable[[StepContext, Any, SourcePath], None],
    own_voice: Mapping[str, str] | None = None,
) -> None:
    """Write a prompt that has a variant for each language.

    ``write_variant`` writes a variant to a branch; it gets the path of the variant. ``own_voice``
    has the voice attributes of the step, which are used in every language.
    """
    known = find_known_variants(context, variants, path)
    if not known:
        return
    if context.is_static:
        message = "the fallback needs nothing but itself, and this text needs the language of the call"
        fix = "say it in each language, one after the other: say: {text: …, lang: es}"
        context.report.error(path, "fallback-not-static", message, fix)
        return

    def write_branch(branch: StepContext, name: str) -> None:
        branch.document.write_coverage_comment(f"in {name}", (*path, name))
        write_variant(branch, variants[name], (*path, name))

    write_language_branches(context, known, path, write_branch, own_voice)


def write_language_branches(
    context: StepContext,
    names: Sequence[str],
    path: SourcePath,
    write_branch: Callable[[StepContext, str], None],
    own_voice: Mapping[str, str] | None = None,
) -> None:
    """Write a branch for each language. Calls in any other language get the first branch."""
    flow = context.flow
    context.document.ensure_answered()
    flow.graph.record_used_names(context.node, (CALL_LANGUAGE,), path)
    if len(names) > 1:
        context.document.dynamic_reasons.setdefault(path, "the text depends on the language of the call")
    voice_attributes = {key: value for key, value in (own_voice or {}).items() if key not in ("lang", "code")}
    branches = []
    for name in names:
        branch = context.make_empty_branch(inside_branch=False)
        branch.language, branch.voice = name, {**flow.languages[name], **voice_attributes}
        write_branch(branch, name)
        context.document.merge_branch_properties(branch.document)
        branches.append(branch)
    first, *others = branches
    fragments: tuple[Fragment, ...] = merge_adjacent_texts(first.document.fragments)
    progress = first.document.progress
    for name, branch in zip(reversed(names[1:]), reversed(others), strict=True):
        then = merge_adjacent_texts(branch.document.fragments)
        condition = flow.share_language_condition(name)
        fragments = (ConditionalFragment(condition, then, terminates=False, else_fragments=fragments),)
        progress = branch.document.progress.either(progress)
    context.document.fragments += fragments
    context.document.progress = progress


def is_neutral_text(text: object) -> bool:
    """Return True for a text that needs no translation, such as ``{{ caller.name }}``."""
    return isinstance(text, str) and not _LETTER.search(_EXPRESSIONS.sub("", text))


def follows_language(context: StepContext, voice: Mapping[str, Any]) -> bool:
    """Return True if a text is spoken in the language of the call: neither its step nor a branch names a language."""
    is_chosen = bool(context.language) or "lang" in voice or "code" in voice
    return len(context.flow.languages) > 1 and not is_chosen and not context.is_static


def resolve_voice(context: StepContext, voice: Mapping[str, str]) -> dict[str, str]:
    """Return a voice. If ``lang`` names a language of the flow, the voice of that language is used."""
    named = context.flow.languages.get(voice.get("lang", ""))
    return {**voice} if named is None else {**named, **{key: value for key, value in voice.items() if key != "lang"}}

"""One test for many cases of equal worth: an item of pytest for each takes longer than most of them do."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def each_case(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Callable[[Any], object] | Iterable[object] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for every case, as ``parametrize`` does, but as one test: it fails with all cases that fail, each named.

    The fixtures of the test are the same for all its cases.
    """
    arguments = [name.strip() for name in names.split(",")] if isinstance(names, str) else [*names]
    given = [(case,) if names == arguments[0] else tuple(case) for case in cases]
    name_value = ids if callable(ids) else repr
    titles = (
        [", ".join(str(name_value(value)) for value in case) for case in given] if ids is None or callable(ids) else ids
    )
    named = [*zip(map(str, titles), given, strict=True)]
    assert named, "a test without cases"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run_every_case(**fixtures: Any) -> None:
            failed: list[tuple[str, BaseException]] = []
            for title, case in named:
                try:
                    test(**dict(zip(arguments, case, strict=True)), **fixtures)
                except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - all are told at the end
                    failure.add_note(f"The case is {title}")
                    failed.append((title, failure))
            if failed:
                # Of many exceptions Python prints the first fifteen only.
                titles_of_failed = "; ".join(title for title, _ in failed)
                raise BaseExceptionGroup(
                    f"{len(failed)} of {len(named)} cases: {titles_of_failed}", [failure for _, failure in failed]
                )

        signature = inspect.signature(test)
        others = [parameter for name, parameter in signature.parameters.items() if name not in arguments]
        run_every_case.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return run_every_case

    return decorate

"""The progress of a call through the verbs of a document: what has surely happened, and what may have happened."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from callflows.flows.entry_points import Silence


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a call at one point of a document.

    ``then`` joins two parts that follow each other. ``either`` joins two alternatives, of which a call takes one.
    """

    ends: bool = False
    """The call never gets past this point: it has hung up, or gone elsewhere."""
    answered: bool = False
    """The line is surely answered."""
    heard: bool = False
    """The caller has surely heard something, or the call has waited for somebody."""
    waited: bool = False
    """The call has surely waited for the caller or for a dialled person."""
    moved_on: bool = False
    """Time may have passed since the document was rendered: a sound or a wait may have come before."""
    silence_broken: bool = False
    """The caller has surely heard more than silence: words, a sound, the ringing tone, or the beginning of a recording."""
    silences: frozenset[Silence] = frozenset()
    """Beginnings, keys and dials that nobody answered, after which the caller may have heard nothing yet."""

    def then(self, following: Progress) -> Progress:
        """Return the progress after both parts. If the first part ends the call, the second part is never reached."""
        if self.ends:
            return self
        return Progress(
            ends=following.ends,
            answered=self.answered or following.answered,
            heard=self.heard or following.heard,
            waited=self.waited or following.waited,
            moved_on=self.moved_on or following.moved_on,
            silence_broken=self.silence_broken or following.silence_broken,
            silences=following.silences | (frozenset() if following.silence_broken else self.silences),
        )

    def either(self, other: Progress) -> Progress:
        """Return the progress of a call that took one of two ways. A way that ends never comes back."""
        if self.ends and not other.ends:
            return other
        if other.ends and not self.ends:
            return self
        return Progress(
            ends=self.ends and other.ends,
            answered=self.answered and other.answered,
            heard=self.heard and other.heard,
            waited=self.waited and other.waited,
            moved_on=self.moved_on or other.moved_on,
            silence_broken=self.silence_broken and other.silence_broken,
            silences=self.silences | other.silences,
        )


NOTHING_YET: Final = Progress()
"""The progress at the beginning of a document."""
INSIDE_VERB: Final = Progress(heard=True, waited=True, moved_on=True)
"""The progress at the beginning of a verb's branch: Opentact runs the branch after the verb was heard or waited for."""

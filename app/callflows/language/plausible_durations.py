"""The durations that make sense for an attribute, so that 25000s of ringing or a pause of 2 ms is noticed.

Opentact counts in milliseconds and other providers in seconds; a number that is copied is wrong by the factor 1000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlausibleDuration(NamedTuple):
    """The shortest and the longest plausible duration and a usual one, in milliseconds.

    0 is plausible, as it may stand for "none", unless ``zero_effect`` says what it does.
    """

    shortest: int
    longest: int
    usual: int
    zero_effect: str = ""

    def contains(self, milliseconds: int) -> bool:
        return milliseconds == 0 or self.shortest <= milliseconds <= self.longest

    def describe_usual(self) -> str:
        """Describe the range for the fix of a problem: "usual are 5s to 5m, as 25s"."""
        ends = [format_duration(end) for end in (self.shortest, self.longest, self.usual)]
        return f"usual are {ends[0]} to {ends[1]}, as {ends[2]}"

    def find_likely(self, number: int) -> int | None:
        """Return the plausible milliseconds of a number with a wrong or missing unit; None if neither unit fits.

        A number from 200 on is rather milliseconds, a smaller number seconds.
        """
        readings = (number, number * 1000) if number >= _RATHER_MILLISECONDS_FROM else (number * 1000, number)
        return next((reading for reading in readings if reading and self.contains(reading)), None)

    def suggest_fix(self, number: int, milliseconds: int) -> str:
        """Return the fix for an implausible duration, written with ``number``."""
        likely = self.find_likely(number)
        if likely is None or likely == milliseconds:
            return self.describe_usual()
        return f"did you mean {format_duration(likely)}? {self.describe_usual()}"


_RATHER_MILLISECONDS_FROM: Final = 200
_SECOND: Final = 1000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
RINGING_DURATION: Final = PlausibleDuration(5 * _SECOND, 5 * _MINUTE, 25 * _SECOND, "nobody can answer")
MESSAGE_DURATION: Final = PlausibleDuration(5 * _SECOND, 30 * _MINUTE, 2 * _MINUTE, "nothing is recorded")
INPUT_DURATION: Final = PlausibleDuration(_SECOND, 2 * _MINUTE, 5 * _SECOND)
LOOKUP_DURATION: Final = PlausibleDuration(100, 5 * _SECOND, 800)
_REQUEST_DURATION: Final = PlausibleDuration(200, _MINUTE, 3 * _SECOND)
_CADENCE_DURATION: Final = PlausibleDuration(20, 30 * _SECOND, 500)
PLAUSIBLE_ATTRIBUTE_DURATIONS: Final[Mapping[tuple[str, str], PlausibleDuration]] = {
    ("Answer", "delay"): PlausibleDuration(100, 30 * _SECOND, _SECOND),
    ("Callback", "timeout"): _REQUEST_DURATION,
    ("Curl", "timeout"): _REQUEST_DURATION,
    ("Dial", "timeout"): RINGING_DURATION,
    ("Gather", "timeout"): INPUT_DURATION,
    ("Hold", "timeout"): PlausibleDuration(_SECOND, 2 * _HOUR, 5 * _MINUTE),
    ("Pause", "length"): PlausibleDuration(100, 30 * _MINUTE, _SECOND, "there is no pause"),
    ("Record", "timeout"): PlausibleDuration(_SECOND, 4 * _HOUR, 2 * _MINUTE),
    ("Tone", "don"): _CADENCE_DURATION,
    ("Tone", "doff"): _CADENCE_DURATION,
    ("Tone", "timeout"): PlausibleDuration(100, 10 * _MINUTE, 30 * _SECOND),
}
"""The plausible durations of the attributes of elements, by element and attribute."""


def format_duration(milliseconds: int) -> str:
    """Format milliseconds as authors write a duration: 25s, 1.5s, 500ms, 2m."""
    if milliseconds % _HOUR == 0 and milliseconds:
        return f"{milliseconds // _HOUR}h"
    if milliseconds % _MINUTE == 0 and milliseconds:
        return f"{milliseconds // _MINUTE}m"
    if milliseconds < _SECOND or milliseconds % 100:
        return f"{milliseconds}ms"
    return f"{milliseconds / _SECOND:g}s"


def describe_doubtful_milliseconds(place: str, milliseconds: int, plausible: PlausibleDuration) -> tuple[str, str]:
    """Return message and fix for an implausible number of milliseconds in XML."""
    extent = "short" if milliseconds < plausible.shortest else "long"
    likely = plausible.find_likely(milliseconds)
    ends = f"usual are {plausible.shortest} to {plausible.longest}, as {plausible.usual}"
    seconds = f"did you mean {likely} ({format_duration(likely)})? {ends}" if likely and likely != milliseconds else ends
    return f"{place} is {milliseconds} ms, which is very {extent}", f"times are milliseconds here: {seconds}"

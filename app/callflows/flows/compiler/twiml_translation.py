"""Translates the verbs of a TwiML document to Opentact's, for a flow whose app answers with TwiML.

Where Twilio would request a URL of the app, the document has a signed URL of this server, which requests that of the app.
A verb that Opentact has nothing for becomes such a URL, too: the fallback is served only to calls that come to the verb.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from callflows.errors import TwimlError, VerbBuildError
from callflows.flows.steps.voicemail_step import BEEP_TONE
from callflows.flows.twiml.twilio_requests import normalize_app_url
from callflows.flows.twiml.twiml_document import (
    TwimlDial,
    TwimlGather,
    TwimlHangup,
    TwimlPause,
    TwimlPlay,
    TwimlRecord,
    TwimlRedirect,
    TwimlSay,
    TwimlSms,
    TwimlUnmapped,
)
from callflows.language import Callback, Dial, Error, Gather, Hangup, Pause, Play, Record, Say, To
from callflows.telephony.call_record import BEEP_TAG, CONVERSATION_TAG
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from callflows.flows.twiml.twiml_document import TwimlRequest, TwimlVerb
    from callflows.language import Command, Dialect


_MAX_SECONDS: Final = 3600.0
"""Longest pause and recording; Twilio's longest recording, too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlContext:
    """The call that a document is for.

    ``make_url`` returns the signed URL of the place that its argument describes (see ``TwimlPlace``). ``judge_target`` and
    ``send_sms`` return the reason of a refusal, or an empty text. ``begin_recording`` returns tag and parameters of the
    next recording; ``find_recording`` returns the tag of a recording of this call by its URL.
    """

    dialect: Dialect
    document_url: str
    document_method: str
    beep_url: str
    fallback: Sequence[Command]
    make_url: Callable[[TwimlPlace], str]
    judge_target: Callable[[str], str]
    send_sms: Callable[[TwimlSms], str]
    begin_recording: Callable[[TwimlRecord, TwimlPlace], tuple[str, dict[str, str]]]
    find_recording: Callable[[str], str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlPlace:
    """The continuation of a call: at a URL of the app with ``parameters``, at verbs that are left over, or at the fallback.

    ``awaited_digits`` is the number of digits of a Gather, 0 if unlimited, None without a Gather. A caller who enters none
    goes on at the verbs, unless ``posts_empty``.
    """

    url: str = ""
    method: str = "POST"
    parameters: tuple[tuple[str, str], ...] = ()
    verbs: str = ""
    problem: str = ""
    awaited_digits: int | None = None
    posts_empty: bool = False
    tag: str = ""


class TwimlTranslation:
    """The translation of one document: ``elements``, and ``notes`` on what Opentact has not."""

    def __init__(self, context: TwimlContext) -> None:
        self._context = context
        self.elements: list[Command] = []
        self.notes: list[str] = []
        self._has_waited = False
        self._is_audible = False
        self._has_refused_dial = False

    def translate_verbs(self, verbs: Sequence[TwimlVerb], *, is_first: bool) -> None:
        """Translate all verbs. Raises TwimlError if a caller would hear nothing because of what Opentact has not."""
        for index, verb in enumerate(verbs):
            if self._translate_verb(verb, verbs[index + 1 :]):
                return
        if not self._is_audible and (is_first or self._has_refused_dial):
            raise TwimlError("; ".join(["the answer has nothing that a caller would hear", *self.notes]))
        self.elements.append(Hangup())

    def _translate_verb(self, verb: TwimlVerb, rest: Sequence[TwimlVerb]) -> bool:
        """Translate a verb; return True if nothing after it runs."""
        match verb:
            case TwimlSay() | TwimlPlay() | TwimlPause():
                self.elements += self._translate_prompt(verb)
            case TwimlHangup():
                if verb.reason:
                    self.notes.append(f"<Reject>: the call is hung up on, not rejected as {verb.reason[:20]}")
                self.elements.append(Hangup())
                return True
            case TwimlRedirect():
                self._go_on(self._resolve(verb))
                return True
            case TwimlGather():
                return self._translate_gather(verb, rest)
            case TwimlDial():
                return self._translate_dial(verb)
            case TwimlRecord():
                self._translate_record(verb)
                return True
            case TwimlSms():
                return self._translate_sms(verb, rest)
            case TwimlUnmapped():
                return self._give_up(f"<{verb.tag}>: {verb.reason}")
        return False

    def _give_up(self, problem: str) -> bool:
        """Serve the fallback to calls that come here. Raises TwimlError if every call does, at once."""
        if not self.elements:
            raise TwimlError(problem)
        self.notes.append(f"not translated: {problem}")
        self._go_on(TwimlPlace(problem=problem))
        return True

    def _go_on(self, place: TwimlPlace) -> None:
        self.elements.append(self._make_callback(place))

    def _make_callback(self, place: TwimlPlace) -> Callback:
        tag: dict[str, Any] = {"tag": place.tag} if place.tag else {}
        return Callback(Error(*self._context.fallback), url=self._context.make_url(place), method="GET", **tag)

    def _resolve(self, verb: TwimlRequest, **parameters: str) -> TwimlPlace:
        """Return the place behind the URL of a verb; without one, the document's own URL."""
        context = self._context
        if not verb.url:
            url, method = context.document_url, context.document_method
        else:
            url, method = normalize_app_url(urljoin(context.document_url, verb.url)), verb.method
        return TwimlPlace(url=url, method=method, parameters=tuple(parameters.items()))

    def _translate_prompt(self, verb: TwimlVerb) -> Iterator[Say | Play | Pause]:
        try:
            match verb:
                case TwimlSay():
                    yield from self._translate_say(verb)
                case TwimlPlay():
                    yield from self._translate_play(verb)
                case TwimlPause():
                    yield Pause(length=_to_milliseconds(verb.seconds))
                case _:
                    self.notes.append(f"<{verb.tag}> in <Gather> is left out")
        except VerbBuildError as error:
            self.notes.append(f"<{verb.tag}> is left out: {error}")

    def _translate_say(self, verb: TwimlSay) -> Iterator[Say]:
        text = " ".join(clean_text(verb.text).split())
        if not text:
            return
        if verb.has_tags:
            self.notes.append("<Say>: the tags in the text are left out: Opentact knows no SSML")
        voice: dict[str, Any] = {"lang": verb.language, "gender": verb.gender}
        loop: dict[str, Any] = {"loop": verb.loop} if verb.loop > 1 else {}
        say = Say(text, **{name: value for name, value in voice.items() if value}, **loop)
        self._is_audible = True
        yield say

    def _translate_play(self, verb: TwimlPlay) -> Iterator[Play]:
        if verb.keys:
            self.notes.append("<Play digits>: the keys are not sent: Opentact plays none")
        if not verb.url:
            return
        loop: dict[str, Any] = {"loop": verb.loop} if verb.loop > 1 else {}
        url = urljoin(self._context.document_url, verb.url)
        tag = self._context.find_recording(url)
        play = Play(record=tag, **loop) if tag else Play(url, **loop)  # raises VerbBuildError: then nobody hears anything
        self._is_audible = True
        yield play

    def _translate_gather(self, verb: TwimlGather, rest: Sequence[TwimlVerb]) -> bool:
        if not verb.takes_keys:
            return self._give_up("<Gather>: it listens to speech, which Opentact does not know")
        if verb.takes_speech:
            self.notes.append("<Gather>: it takes speech, too, and Opentact only keys")
        prompts = [element for prompt in verb.prompts for element in self._translate_prompt(prompt)]
        place = dataclasses.replace(self._resolve(verb), awaited_digits=verb.max_digits if verb.has_digit_limit else 0)
        empty = dataclasses.replace(self._resolve(verb), awaited_digits=None, parameters=(("Digits", ""),))
        self._is_audible = self._has_waited = True
        attributes: dict[str, Any] = {"dtmf_length": verb.max_digits}
        if verb.stop_key[:1] and (verb.stop_key in "0123456789*#"):
            attributes["dtmf_stop"] = verb.stop_key
        if self._context.dialect == "reference":
            # without keys the Error runs, and then what stands after the Gather, as in TwiML
            nothing = [self._make_callback(empty)] if verb.posts_empty else []
            self.elements += [*prompts, Gather(Error(*nothing), url=self._context.make_url(place), **attributes)]
            return False
        # the classic dialect requests the URL also without keys: the ticket has what stands after the Gather
        place = dataclasses.replace(place, verbs=_join_sources(rest), posts_empty=verb.posts_empty)
        url = self._context.make_url(place)
        self.elements.append(
            Gather(*prompts, Error(), url=url, attempts=1, timeout=_to_milliseconds(verb.timeout_seconds), **attributes)
        )
        return False

    def _translate_dial(self, verb: TwimlDial) -> bool:
        self.notes += [f"<Dial> {loss}" for loss in verb.losses]
        allowed: list[To] = []
        problems: list[str] = []
        for target in verb.targets:
            if target.lacks_country:
                self.notes.append("<Dial>: a number without a country code is taken for a North American one")
            problem = target.problem or self._context.judge_target(target.number)
            if problem:
                problems.append(problem)
            else:
                allowed.append(To(target.number))
        self.notes += [f"<Dial>: {problem}" for problem in problems]
        if not allowed and any(target.problem for target in verb.targets):
            return self._give_up(f"<Dial>: {problems[0]}")
        done = self._resolve(verb, DialCallStatus="completed") if verb.url else None
        missed = self._resolve(verb, DialCallStatus="no-answer" if allowed else "failed") if verb.url else None
        if not allowed:
            self._has_refused_dial = True
            if missed is not None:
                self._go_on(missed)
            return missed is not None
        timeout = _to_milliseconds(min(verb.timeout_seconds or 30.0, 600.0))
        self._is_audible = self._has_waited = True
        error = Error(*([self._make_callback(missed)] if missed is not None else []))
        if verb.is_recorded and self._context.dialect == "classic":
            self.elements.append(Dial(*allowed, error, timeout=timeout, record="record-from-answer"))
        elif verb.is_recorded:
            self.elements.append(Record(Dial(*allowed, error, timeout=timeout), tag=CONVERSATION_TAG))
        else:
            self.elements.append(Dial(*allowed, error, timeout=timeout))
        if done is not None:
            self._go_on(done)
        return done is not None

    def _translate_record(self, verb: TwimlRecord) -> None:
        place = self._resolve(verb)
        tag, parameters = self._context.begin_recording(verb, place)
        if verb.has_beep:
            beep = BEEP_TONE if self._context.dialect == "reference" else Play(self._context.beep_url, tag=BEEP_TAG)
            self.elements.append(beep)
        stop = "#" if "#" in verb.stop_keys else verb.stop_keys[:1]
        length: dict[str, Any] = {"length": _to_milliseconds(min(verb.max_seconds or _MAX_SECONDS, _MAX_SECONDS))}
        if stop and stop in "0123456789*#":
            length["dtmf_stop"] = stop
        asr: dict[str, Any] = {"asr": True} if verb.is_transcribed else {}
        self._is_audible = self._has_waited = True
        self.elements.append(Record(Pause(**length), tag=tag, **asr))
        self._go_on(dataclasses.replace(place, parameters=tuple(parameters.items()), tag=make_recorded_tag(tag)))

    def _translate_sms(self, verb: TwimlSms, rest: Sequence[TwimlVerb]) -> bool:
        if self._has_waited:  # the message is sent only if the call comes here
            self._go_on(TwimlPlace(url=self._context.document_url, verbs=_join_sources([verb, *rest])))
            return True
        refusal = self._context.send_sms(verb)
        if refusal:
            self.notes.append(f"<{verb.tag}>: {refusal}")
        if not verb.url:
            return False
        self._go_on(self._resolve(verb, SmsStatus="failed" if refusal else "sent"))
        return True


def make_recorded_tag(tag: str) -> str:
    """Return the tag of the Callback after a recording: events that report it say that the app was asked in the call."""
    return f"after-{tag}"


def _join_sources(verbs: Sequence[TwimlVerb]) -> str:
    return "".join(verb.source for verb in verbs)


def _to_milliseconds(seconds: float) -> int:
    return round(min(max(seconds, 0.1), _MAX_SECONDS) * 1000)

"""Flows with ``twiml``: an app of Twilio's answers each turn, and its document is translated before it is sent.

The state of the call travels in the tickets, under the name ``twiml``: the continuation of the call (``TwimlPlace``),
its SID, the cookies of the app, and the number of recordings so far.
"""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from urllib.parse import urljoin, urlsplit

import pydantic

from callflows.errors import DocumentReadError, TicketError, TwimlError
from callflows.flows.compiler.answer_insertion import AnswerInserter
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE
from callflows.flows.compiler.ticket_links import carry_all_fields
from callflows.flows.compiler.twiml_translation import TwimlContext, TwimlPlace, TwimlTranslation, make_recorded_tag
from callflows.flows.decisions import DecisionOrigin
from callflows.flows.entry_points import START_NODE, NodeEntry
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.steps.sms_step import truncate_sms_text
from callflows.flows.steps.step_effects import call_keys_of_turn
from callflows.flows.steps.voicemail_step import BEEP_URL_PATH
from callflows.flows.tickets import make_ticket_state
from callflows.flows.twiml.twilio_requests import (
    build_app_request,
    build_call_parameters,
    make_twilio_sid,
    normalize_app_url,
)
from callflows.flows.twiml.twiml_document import read_twilio_target, read_twiml
from callflows.language import Answer, Response, from_xml, to_xml
from callflows.sandbox.deferred_jobs import get_job_result
from callflows.telephony.call_record import VOICEMAIL_TAG
from callflows.telephony.phone_numbers import mask_number, parse_e164
from callflows.telephony.ports import Effect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.twiml.twiml_document import TwimlRecord, TwimlSms, TwimlVerb
    from callflows.telephony.ports import LookupResult
    from callflows.telephony.turn import Turn


TWIML_VALUE: Final = "twiml"
"""Name of the state in tickets."""
RECORDING_URL_PREFIX: Final = "/recordings/"
"""Path of the links to recordings that an app gets before Opentact has reported them."""
_MAX_COOKIE_CHARACTERS: Final = 800
_NO_NAMES: Final[frozenset[str]] = frozenset()
_STATUS_FORBIDDEN: Final = 403


class TwimlApp(pydantic.BaseModel):
    """An app that answers with TwiML."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    plain_key: ClassVar[str] = "url"
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/"}
    url: str = pydantic.Field(description="The URL that Twilio requests for a call.")
    method: Literal["GET", "POST"] = pydantic.Field("POST", description="The method of this request.")


def compile_twiml_documents(flow: CompilingFlow) -> dict[str, Mapping[NodeEntry, tuple[Fragment, ...]]]:
    """Compile the only node of a flow whose app answers with TwiML. Reports an error for an invalid URL."""
    path, section = (TWIML_VALUE,), flow.flow_file.twiml
    if not isinstance(section, dict):
        flow.report.alias_position(path, (*path, "url"))
    app: TwimlApp | None = validate_shape(
        TwimlApp, section if isinstance(section, dict) else {"url": section}, path, flow.report
    )
    if app is None or not _check_app_url(flow, app.url.strip()):
        return {}
    flow.needs.network = True
    flow.record_computed_target(path)
    runner = TwimlRunner(flow, normalize_app_url(app.url), app.method)
    return {
        START_NODE: {
            NodeEntry(line_answered=answered): (partial(runner.render_document, line_answered=answered),)
            for answered in (False, True)
        }
    }


def _check_app_url(flow: CompilingFlow, url: str) -> bool:
    path = (TWIML_VALUE, "url")
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_valid = urlsplit(""), False
    if not is_valid or not url.isascii() or not url.isprintable() or re.search(r"[\s{}<>\"]", url):
        message = f"twiml: {url!r} is not the URL of an app"
        flow.report.error(
            path, "twiml-url", message, "write the URL that Twilio requests, as https://old.example.com/voice"
        )
        return False
    if parts.username is not None:
        message = "twiml: a user and a password in the URL are not sent"
        flow.report.error(path, "twiml-url", message, "let the app check the signature, with CALLFLOWS_TWILIO_AUTH_TOKEN")
        return False
    if parts.scheme == "http":
        message = "twiml: others can read and change what is sent without encryption"
        flow.report.warning(path, "twiml-http", message, "write https://")
    return True


@dataclasses.dataclass(frozen=True, slots=True)
class _TwimlState:
    """The state in a ticket, with short keys."""

    place: TwimlPlace
    call_sid: str
    cookie_host: str
    cookies: Mapping[str, str]
    recordings: int

    def pack(self) -> dict[str, Any]:
        place = self.place
        fields: dict[str, Any] = {
            "u": place.url,
            "m": "G" if place.method == "GET" else "",
            "p": [list(pair) for pair in place.parameters],
            "v": place.verbs,
            "x": place.problem,
            "e": place.posts_empty,
            "s": self.call_sid,
            "h": self.cookie_host if self.cookies else "",
            "c": dict(self.cookies),
            "n": self.recordings,
        }
        packed = {key: value for key, value in fields.items() if value}
        return packed if place.awaited_digits is None else {**packed, "d": place.awaited_digits}


def _unpack_state(packed: Mapping[str, Any]) -> _TwimlState:
    place = TwimlPlace(
        url=packed.get("u", ""),
        method="GET" if packed.get("m") else "POST",
        parameters=tuple((str(name), str(value)) for name, value in packed.get("p", ())),
        verbs=packed.get("v", ""),
        problem=packed.get("x", ""),
        awaited_digits=packed.get("d"),
        posts_empty=packed.get("e", False),
    )
    return _TwimlState(place, packed.get("s", ""), packed.get("h", ""), packed.get("c", {}), packed.get("n", 0))


class TwimlRunner:
    """Answers the turns of a flow with ``twiml``."""

    def __init__(self, flow: CompilingFlow, url: str, method: str) -> None:
        self._name = flow.name
        self._version = flow.version
        self._first_place = TwimlPlace(url=url, method=method)
        self._dialect = flow.dialect
        self._options = flow.options
        self._policy = flow.dial_policy
        self._answers = AnswerInserter(flow.dialect, flow.options.extensions, flow.flow_file.auto_answer)
        self._fallback = from_xml(
            f"{DOCUMENT_PROLOGUE}{flow.fallback_xml}{DOCUMENT_EPILOGUE}".encode(), extensions=flow.options.extensions
        ).children
        self._origin = DecisionOrigin(START_NODE, 0, TWIML_VALUE, url.partition("?")[0], _NO_NAMES, _NO_NAMES)

    def render_document(self, turn: Turn, *, line_answered: bool) -> str:
        """Return the content of a Response.

        Raises NeedsResult until the app has answered, and TwimlError if its answer cannot be used.
        """
        packed = turn.values[TWIML_VALUE]
        is_first = not isinstance(packed, dict)
        state = self._begin_state(turn) if is_first else _unpack_state(packed)
        if state.place.problem:
            raise TwimlError(state.place.problem)
        digits = self._read_digits(turn, state.place)
        if state.place.verbs and (state.place.awaited_digits is None or not (digits or state.place.posts_empty)):
            verbs = self._read_document(f"<Response>{state.place.verbs}</Response>")
        elif state.place.awaited_digits is not None and not digits and not state.place.posts_empty:
            verbs = []
        else:
            state, verbs = self._request_document(turn, state, digits, is_first=is_first)
        return self._translate_document(turn, state, verbs, is_first=is_first, line_answered=line_answered)

    def _begin_state(self, turn: Turn) -> _TwimlState:
        call = turn.request_fields.get("call") or f"{turn.caller.number}>{turn.number}@{turn.timestamp}"
        return _TwimlState(self._first_place, make_twilio_sid("CA", call), "", {}, 0)

    def _read_digits(self, turn: Turn, place: TwimlPlace) -> str:
        """Return the digits of a Gather. The classic dialect loses zeros at their beginning."""
        digits = turn.entered_digits if place.awaited_digits is not None else ""
        if self._dialect == "classic" and digits.isdecimal() and place.awaited_digits:
            return digits.zfill(place.awaited_digits)
        return digits

    def _request_document(
        self, turn: Turn, state: _TwimlState, digits: str, *, is_first: bool
    ) -> tuple[_TwimlState, list[TwimlVerb]]:
        """Request the app's answer. Return the state with its cookies, and the verbs."""
        place, account = state.place, self._options.twilio_account
        host = urlsplit(place.url).netloc
        cookies = state.cookies if host == state.cookie_host else {}
        status = "ringing" if is_first else "in-progress"
        parameters = {**build_call_parameters(turn, account.sid, state.call_sid, status), **dict(place.parameters)}
        if place.awaited_digits is not None:
            parameters["Digits"] = digits
        request = build_app_request(
            place.url, place.method, parameters, account.auth_token, cookies, f"{self._name}/{TWIML_VALUE}"
        )
        result: LookupResult = get_job_result(turn, request)
        shown = place.url.partition("?")[0]
        detail = {"url": shown, "status": result.status, "ms": round(result.duration_ms, 1), "reason": result.reason}
        turn.trail.append((self._origin, "found" if result.ok else "failed", turn.values, detail))
        if not result.ok:
            hint = ": is CALLFLOWS_TWILIO_AUTH_TOKEN its token?" if result.status == _STATUS_FORBIDDEN else ""
            raise TwimlError(f"{shown}: {result.reason}{hint}")
        merged = {name: value for name, value in {**cookies, **result.cookies}.items() if value}
        if sum(map(len, (*merged, *merged.values()))) > _MAX_COOKIE_CHARACTERS:
            self._note(turn, "the app's cookies are too long to be carried, and are left out")
            merged = {}
        return dataclasses.replace(state, cookie_host=host, cookies=merged), self._read_document(str(result.value or ""))

    def _read_document(self, text: str) -> list[TwimlVerb]:
        if not text.strip():
            return []  # as Twilio reads an empty answer
        try:
            return read_twiml(text.encode())
        except (DocumentReadError, ValueError) as error:
            raise TwimlError(f"the app's answer is no TwiML: {error}") from None

    def _note(self, turn: Turn, note: str) -> None:
        turn.trail.append((self._origin, "note", turn.values, {"note": note}))

    def _translate_document(
        self, turn: Turn, state: _TwimlState, verbs: list[TwimlVerb], *, is_first: bool, line_answered: bool
    ) -> str:
        unanswered_urls: dict[str, str] = {}
        asks_answer = not line_answered and self._answers.is_needed(turn)

        def make_url(place: TwimlPlace) -> str:
            at = dataclasses.replace(state, place=place)
            url = self._make_url(turn, at, NodeEntry(line_answered=True))
            if asks_answer:
                unanswered_urls[url] = self._make_url(turn, at, NodeEntry())
            return url

        def begin_recording(verb: TwimlRecord, place: TwimlPlace) -> tuple[str, dict[str, str]]:
            nonlocal state
            state = dataclasses.replace(state, recordings=state.recordings + 1)
            return self._begin_recording(turn, state, verb, place)

        context = TwimlContext(
            dialect=self._dialect,
            document_url=state.place.url,
            document_method=state.place.method,
            beep_url=f"{turn.base_url}{BEEP_URL_PATH}",
            fallback=self._list_fallback(line_answered=not asks_answer),
            make_url=make_url,
            judge_target=lambda target: self._policy.find_call_refusal(target, turn),
            send_sms=lambda verb: self._send_sms(turn, verb),
            begin_recording=begin_recording,
            find_recording=lambda url: self._find_recording(turn, state, url),
        )
        translation = TwimlTranslation(context)
        try:
            translation.translate_verbs(verbs, is_first=is_first)
        except TicketError:
            raise TwimlError("what follows a verb of the app's answer is too long to be carried in a URL") from None
        finally:
            for note in translation.notes:
                self._note(turn, note)
        written = to_xml(Response(*translation.elements), self._dialect, extensions=self._options.extensions).decode()
        content = written.removeprefix(DOCUMENT_PROLOGUE).removesuffix(DOCUMENT_EPILOGUE)
        if asks_answer:
            return self._answers.answer_in_content(content, lambda url: unanswered_urls.get(url, url))
        return content

    def _list_fallback(self, *, line_answered: bool) -> tuple[Any, ...]:
        answers = self._fallback[:1] == (Answer(),)
        return self._fallback[1:] if line_answered and answers else self._fallback

    def _make_url(self, turn: Turn, state: _TwimlState, entry: NodeEntry) -> str:
        carried = carry_all_fields(turn)
        target = f"{self._name}/{START_NODE}"
        make_ticket = self._options.signer.make_ticket_factory(target, make_ticket_state(self._version, entry))
        return f"{turn.base_url}/call/{target}?ticket={make_ticket(carried, {TWIML_VALUE: state.pack()})}"

    # Text messages

    def _send_sms(self, turn: Turn, verb: TwimlSms) -> str:
        """Add a text message to the turn; return the reason if it is refused."""
        # Ten digits alone are a North American number, as in a Dial.
        target = parse_e164(read_twilio_target(verb.to)) if verb.to else parse_e164(str(turn.caller.number))
        text = truncate_sms_text(" ".join(verb.text.split()))
        judge = self._policy.find_refusal if verb.to else self._policy.find_caller_refusal
        refusal = judge(target) if target else "there is no number to write to"
        refusal = refusal or ("" if text else "the text is empty")
        sender = parse_e164(verb.sender)
        if sender and sender != turn.number and not turn.owns_number(sender):
            self._note(turn, f"<{verb.tag}>: {mask_number(sender)} is no number of ours: the number called is the sender")
            sender = ""
        if not refusal:
            payload = {"to": target, "from": sender or str(turn.number), "text": text}
            turn.effects.append(self._make_effect(turn, "sms", f"{target}/{len(turn.effects)}", payload))
        outcome = "refused" if refusal else "caused"
        origin = dataclasses.replace(self._origin, step_key="sms", rule=verb.tag)
        turn.trail.append(
            (origin, outcome, turn.values, {"to": mask_number(target), **({"refused": refusal} if refusal else {})})
        )
        return refusal

    def _make_effect(self, turn: Turn, kind: Any, once: str, payload: Mapping[str, Any]) -> Effect:  # noqa: ANN401
        ticket = turn.request_fields.get("ticket", "").rpartition(".")[2]
        now, before = (f"{call}/{ticket}/{once}/{self._name}" if call else "" for call in call_keys_of_turn(turn))
        return Effect(kind, now, payload, before)

    # Recordings

    def _begin_recording(
        self, turn: Turn, state: _TwimlState, verb: TwimlRecord, place: TwimlPlace
    ) -> tuple[str, dict[str, str]]:
        """Return the tag of a recording, and its parameters for the request after it.

        The app is also told when the recording is reported, or if the caller hung up before the request.
        """
        tag = VOICEMAIL_TAG if state.recordings == 1 else f"{VOICEMAIL_TAG}-{state.recordings}"
        parameters = {"RecordingSid": make_twilio_sid("RE", f"{state.call_sid}/{tag}")}
        call = turn.request_fields.get("call", "")
        if call:
            parameters["RecordingUrl"] = self._make_recording_url(turn, call, tag)
        account = self._options.twilio_account
        form = {**build_call_parameters(turn, account.sid, state.call_sid, "completed"), **parameters}
        hangup_form = {**form, "Digits": "hangup"}
        payload = {"url": place.url, "form": hangup_form, "recording": tag, "unless": make_recorded_tag(tag)}
        turn.effects.append(self._make_effect(turn, VOICEMAIL_TAG, tag, payload))
        if verb.status_url:
            url = normalize_app_url(urljoin(state.place.url, verb.status_url))
            payload = {"url": url, "form": {**form, "RecordingStatus": "completed"}, "recording": tag}
            turn.effects.append(self._make_effect(turn, VOICEMAIL_TAG, f"{tag}/status", payload))
        return tag, parameters

    def _make_recording_url(self, turn: Turn, call: str, tag: str) -> str:
        target = f"{call}/{tag}"
        return f"{turn.base_url}{RECORDING_URL_PREFIX}{target}/{self._options.signer.sign_permanently(target)}"

    def _find_recording(self, turn: Turn, state: _TwimlState, url: str) -> str:
        """Return the tag of a recording of this call that a URL links to; an empty text for any other URL."""
        call = turn.request_fields.get("call", "")
        tags = [VOICEMAIL_TAG, *(f"{VOICEMAIL_TAG}-{number}" for number in range(2, state.recordings + 1))]
        known = {tag: self._make_recording_url(turn, call, tag) for tag in tags[: state.recordings] if call}
        return next((tag for tag, link in known.items() if url.startswith(link)), "")

"""An app written for Twilio with Twilio's library, on a port of this machine: a phone tree, a voicemail, a survey.

The survey counts its questions in a session, so that it needs its cookie. Each request must have Twilio's signature.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from flask import Flask, abort, request, session, url_for
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import VoiceResponse
from werkzeug.serving import make_server

from waiting import join_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTH_TOKEN = "12345678901234567890123456789012"  # noqa: S105 - of no account
QUESTIONS = ("How many stars did the driver earn?", "And how many stars did the food earn?")


class TwilioApp:
    """``forms`` are the parameters of all requests, by path; ``answers`` those of the survey, by call."""

    def __init__(self) -> None:
        self.forms: dict[str, list[dict[str, str]]] = {}
        self.answers: dict[str, list[str]] = {}
        self.url = ""
        self.flask = Flask("twilio_app")
        self.flask.secret_key = "a key of the app"  # noqa: S105 - of a test
        self.flask.before_request(self.check_signature)
        for name in ("voice", "tree", "after_dial", "message", "thanks", "recorded", "survey", "answer", "odd", "page"):
            self.flask.add_url_rule(f"/{name}", name, getattr(self, name), methods=["GET", "POST"])

    def check_signature(self) -> None:
        form = request.form.to_dict()
        validator = RequestValidator(AUTH_TOKEN)
        if not validator.validate(request.url, form, request.headers.get("X-Twilio-Signature", "")):
            abort(403)
        self.forms.setdefault(request.path, []).append(form or request.args.to_dict())

    # A phone tree

    def voice(self) -> str:
        response = VoiceResponse()
        gather = response.gather(num_digits=1, action=url_for("tree"), timeout=4)
        gather.say(f"Hello {request.values['From'][-4:]}. For sales press 1, to leave a message press 2.", language="en-GB")
        response.say("We did not hear a key.")
        response.redirect(url_for("voice"))
        return str(response)

    def tree(self) -> str:
        response = VoiceResponse()
        if request.values["Digits"] == "1":
            dial = response.dial(action=url_for("after_dial", _external=True), timeout=20, caller_id="+12015550123")
            dial.number("+12015550188")
            dial.number("(201) 555-0190")
        elif request.values["Digits"] == "2":
            response.redirect(url_for("message"), method="GET")
        elif request.values["Digits"] == "5":
            response.dial("+18765550188")
        else:
            response.say("Goodbye.")
            response.reject(reason="busy")
        return str(response)

    def after_dial(self) -> str:
        response = VoiceResponse()
        if request.values["DialCallStatus"] == "completed":
            response.say("Thank you for talking to sales.")
        else:
            response.say("Nobody is there.")
            response.sms("We missed your call.")
        return str(response)

    # A voicemail

    def message(self) -> str:
        response = VoiceResponse()
        response.say("Please leave a message.")
        response.record(
            action=url_for("thanks"), max_length=30, finish_on_key="#", recording_status_callback=url_for("recorded")
        )
        return str(response)

    def thanks(self) -> str:
        response = VoiceResponse()
        response.say("You said:")
        response.play(request.values["RecordingUrl"] + ".mp3")
        return str(response)

    def recorded(self) -> str:
        return ""

    # A survey

    def survey(self) -> str:
        session["question"] = 0
        response = VoiceResponse()
        response.say("Welcome to the survey.")
        self._ask(response)
        return str(response)

    def _ask(self, response: VoiceResponse) -> None:
        gather = response.gather(num_digits=1, action="answer", action_on_empty_result=True)
        gather.say(QUESTIONS[session["question"]])

    def answer(self) -> str:
        self.answers.setdefault(request.values["CallSid"], []).append(request.values["Digits"])
        response = VoiceResponse()
        session["question"] += 1
        if session["question"] < len(QUESTIONS):
            self._ask(response)
        else:
            response.say("Thank you.")
        return str(response)

    # Answers that cannot be translated

    def odd(self) -> str:
        response = VoiceResponse()
        response.say("One moment.")
        response.enqueue("support")
        return str(response)

    def page(self) -> str:
        return "<html><body>Internal Server Error</body></html>"


@contextlib.contextmanager
def run_twilio_app() -> Iterator[TwilioApp]:
    app = TwilioApp()
    server: Any = make_server("127.0.0.1", 0, app.flask, threaded=True)
    app.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        join_thread(thread)
        server.server_close()

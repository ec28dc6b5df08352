"""What the way of a call is measured beside: a constant route, and FastAPI with twilio-python building a like menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from starlette.applications import Starlette
from starlette.responses import Response as Plain
from starlette.routing import Route
from twilio.twiml import voice_response as twilio

if TYPE_CHECKING:
    from starlette.requests import Request

DOCUMENT = b'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Say>Welcome to Acme.</Say><Hangup/></Response>'


async def _answer_constant(_request: Request) -> Plain:
    return Plain(DOCUMENT, media_type="application/xml")


constant = Starlette(routes=[Route("/call", _answer_constant)])
menu = FastAPI()


@menu.get("/call")
async def answer_menu(to: str, token: str = "") -> Response:
    """A menu for three keys, as twilio-python builds one."""
    response = twilio.VoiceResponse()
    if token != "benchmark" or not to:  # noqa: S105 - a benchmark's
        response.reject()
    response.say("Welcome to Acme.", language="en-US")
    gather = twilio.Gather(num_digits=1, action="https://calls.example.com/call/menu")
    gather.say("For sales press 1. For support press 2. To leave a message press 0.", language="en-US")
    response.append(gather)
    response.say("I did not hear a key.", language="en-US")
    response.redirect("https://calls.example.com/call/menu?again=1")
    response.hangup()
    return Response(str(response), media_type="application/xml")

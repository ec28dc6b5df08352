"""The words for the steps of a call, which the terminal, the phone of the console and the story of a call share."""

from __future__ import annotations

import pytest

from callflows.rehearsal.transcript_text import describe_step


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"verb": "Say", "text": "Hello."}, "“Hello.”"),
        ({"verb": "Tone", "hz": "1000", "tag": "beep"}, "a beep"),
        ({"verb": "Tone", "hz": "440,480"}, "a tone of 440 and 480 Hz"),
        ({"verb": "Gather", "digits": "2", "result": "matched"}, "pressed 2"),
        ({"verb": "Gather", "digits": "7", "result": "no-match"}, "pressed 7, which is no key of the menu"),
        ({"verb": "Gather", "digits": "", "result": "no-input", "reason": "no digits"}, "pressed nothing"),
        ({"verb": "Pause", "seconds": 2.04}, "a pause of 2 s"),
        ({"verb": "Pause", "seconds": 7.0, "result": "stopped", "digits": "#"}, "pressed # after 7 s"),
        ({"verb": "Record", "tag": "voicemail", "seconds": 3.01}, "records a message, 3 s"),
        ({"verb": "Record", "tag": "conversation"}, "records the conversation"),
        ({"verb": "Record", "tag": "order"}, "records order"),
        ({"verb": "Play", "url": "sounds/hold.mp3"}, "plays sounds/hold.mp3"),
        ({"verb": "Dial", "to": ["+12015550190"]}, "rings +1 201 555 0190"),
        (
            {"verb": "Dial", "to": ["+12015550190"], "result": "busy", "reason": "[originate] ERR USER_BUSY"},
            "rings +1 201 555 0190: busy",
        ),
        (
            {"verb": "Dial", "to": ["+12015550190", "ann@acme.example"], "result": "no-answer"},
            "rings +1 201 555 0190, ann@acme.example: nobody answers",
        ),
        (
            {"verb": "Dial", "to": ["+12015550190"], "result": "answered", "by": "+12015550190", "seconds": 30.0},
            "rings +1 201 555 0190: answered, 30 s",
        ),
        (
            {
                "verb": "Dial",
                "to": ["+12015550190", "ann"],
                "result": "answered",
                "by": "ann",
                "seconds": 9,
            },
            "rings +1 201 555 0190, ann: answered by ann, 9 s",
        ),
        ({"verb": "Hangup"}, "hangs up"),
        ({"verb": "Hangup", "tag": "spam"}, "hangs up (spam)"),
        ({"verb": "Reject"}, "refuses the call"),
        (
            {"verb": "sms", "to": "+12015550902", "from": "+12015550123", "text": "Bye"},
            "text message to +1 201 555 0902 from +1 201 555 0123: “Bye”",
        ),
    ],
)
def test_a_step_is_told_in_the_words_of_people(step, words):
    assert describe_step(step) == words

"""Texts of mails and chat messages about calls, and the requests that chats expect.

An event is the body of a webhook: ``type``, ``timestamp``, ``call`` or ``message``, ``data``, and perhaps ``recordings``
or ``ended``. People who read a mail or a chat get the same facts as sentences.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

from callflows.telephony.phone_numbers import PhoneNumber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


ChatName: TypeAlias = Literal["slack", "mattermost", "google-chat", "teams", "discord", "matrix", "ntfy"]
CHAT_NAMES: Final[tuple[str, ...]] = get_args(ChatName)
_MAX_DISCORD_CHARACTERS: Final = 2_000
_MAX_GOOGLE_CHAT_CHARACTERS: Final = 4_096
_SENTENCE_BY_TYPE: Final = {"voicemail": "Voicemail", "notify": "Call", "mail": "Call", "message": "Text message"}


class NoticeText(NamedTuple):
    """A subject in one line, and a text of several lines."""

    subject: str
    text: str


class ChatRequest(NamedTuple):
    """An HTTP request to a chat. ``path_suffix`` is appended to the path of the URL."""

    method: str
    path_suffix: str
    content_type: str
    body: bytes


def describe_event(event: Mapping[str, Any]) -> NoticeText:
    """Return the standard text about an event, for readers of mails and chats."""
    subject = _describe_subject(event)
    number = _format_number(str(_get_parties(event).get("to", "")))
    moment = str(event.get("timestamp", ""))[:16].replace("T", " ")
    lines = [f"{subject}, to {number}, {moment}."]
    text = str(event["message"].get("text", "")) if isinstance(event.get("message"), dict) else ""
    data = event.get("data")
    lines += [f"\n{text}"] if text else []
    lines += [f"{key}: {_format_value(value)}" for key, value in data.items()] if isinstance(data, dict) else []
    return NoticeText(subject, "\n".join([*lines, *describe_recordings(_list_recordings(event))]))


def describe_recordings(recordings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines about recordings: transcript, length and link of each."""
    for recording in recordings:
        if recording.get("transcript"):
            yield f"\n“{recording['transcript']}”"
        seconds = recording.get("seconds")
        length = f"Recording of {seconds} s" if seconds is not None else "Recording"
        yield f"\n{length}: {recording.get('url') or 'no link was reported'}"


def compose_notice(intro: str, event: Mapping[str, Any]) -> NoticeText:
    """Return the author's text with the recordings of an event, or the standard text if there is none."""
    standard = describe_event(event)
    if not intro.strip():
        return standard
    return standard._replace(text="\n".join([intro.strip(), *describe_recordings(_list_recordings(event))]))


def list_recording_urls(event: Mapping[str, Any]) -> list[str]:
    """Return the links of the recordings of an event."""
    return [str(recording["url"]) for recording in _list_recordings(event) if recording.get("url")]


def _describe_subject(event: Mapping[str, Any]) -> str:
    sentence = _SENTENCE_BY_TYPE.get(str(event.get("type")), "Call")
    end = event.get("ended")
    if isinstance(end, dict):
        sentence = "Voicemail" if end.get("message") else "Missed call" if end.get("missed") else "Call"
    sender = str(_get_parties(event).get("from", ""))
    return f"{sentence} from {_format_number(sender) if sender else 'an unknown number'}"


def _get_parties(event: Mapping[str, Any]) -> Mapping[str, Any]:
    parties = event.get("message") or event.get("call")
    return parties if isinstance(parties, dict) else {}


def _list_recordings(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    end = event.get("ended")
    recordings = end.get("recordings") if isinstance(end, dict) else event.get("recordings")
    return recordings if isinstance(recordings, list) else []


def _format_number(number: str) -> str:
    return PhoneNumber(number).national or number


def _format_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def build_chat_request(chat: str, text: str, message_id: str) -> ChatRequest:
    """Return the request by which a chat takes a text. ``message_id`` is the same for each attempt."""
    build, method, content_type = _CHATS[chat]
    suffix = f"/{message_id}" if chat == "matrix" else ""
    content = build(text)
    body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    return ChatRequest(method, suffix, content_type, body)


def _build_slack_message(text: str) -> dict[str, Any]:
    """Return a message of Slack. ``<!channel>`` in a stranger's text notifies nobody."""
    return {"text": _SLACK_BROADCAST.sub("&lt;!", text)}


_SLACK_BROADCAST: Final = re.compile("<!(?=channel|here|everyone)")


def _build_mattermost_message(text: str) -> dict[str, Any]:
    """Return a message of Mattermost. ``@channel`` in a stranger's text notifies nobody."""
    return {"text": _MATTERMOST_BROADCAST.sub("@\u200b", text)}


_MATTERMOST_BROADCAST: Final = re.compile("@(?=(?:channel|here|all)\\b)", re.IGNORECASE)


def _build_google_chat_message(text: str) -> dict[str, Any]:
    """Return a message of Google Chat. ``<users/all>`` in a stranger's text notifies nobody."""
    return {"text": text.replace("<users/all", "<\u200busers/all")[:_MAX_GOOGLE_CHAT_CHARACTERS]}


def _build_discord_message(text: str) -> dict[str, Any]:
    """Return a message of Discord. ``@everyone`` in a stranger's text notifies nobody."""
    return {"content": text[:_MAX_DISCORD_CHARACTERS], "allowed_mentions": {"parse": ["users", "roles"]}}


def _build_adaptive_card(text: str) -> dict[str, Any]:
    """Return the message of a Teams workflow that posts a card."""
    block = {"type": "TextBlock", "text": text.replace("\n", "\n\n"), "wrap": True}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [block],
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "contentUrl": None, "content": card}]}


_JSON: Final = "application/json"
_CHATS: Final[Mapping[str, tuple[Callable[[str], dict[str, Any] | bytes], str, str]]] = {
    "slack": (_build_slack_message, "POST", _JSON),
    "mattermost": (_build_mattermost_message, "POST", _JSON),
    "google-chat": (_build_google_chat_message, "POST", _JSON),
    "teams": (_build_adaptive_card, "POST", _JSON),
    "discord": (_build_discord_message, "POST", _JSON),
    "matrix": (lambda text: {"msgtype": "m.text", "body": text}, "PUT", _JSON),
    "ntfy": (lambda text: text.encode("utf-8", "replace"), "POST", "text/plain; charset=utf-8"),
}
"""Body, method and content type of each chat's request."""

"""The inbox: voicemails with their sound, texts as conversations, and missed calls; handled or new, with notes."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException

from callflows.errors import JournalRejectionError
from callflows.journal.call_story import build_named_row
from callflows.journal.inbox import INBOX_STATES, MESSAGE_KIND, VOICEMAIL_KIND, InboxFilter
from callflows.journal.stored_rows import CallFilter
from callflows.telephony.phone_numbers import parse_e164
from callflows.telephony.ports import Effect
from callflows.text import MAX_SMS_CHARACTERS, clean_text
from callflows.web.console.console_access import choose_next_path
from callflows.web.console.page_rendering import format_caller
from callflows.web.console.recording_audio import RecordingFetcher
from callflows.web.journal_lists import ask_journal, read_page_cursor, write_page_cursor

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession


_BOXES: Final = {"voicemails": "Voicemails", "texts": "Texts", "missed": "Missed calls"}
_MISSED_ENDINGS: Final = ("nobody-answered", "no-message", "hung-up-in-menu", "hung-up", "fallback")
_MISSED_DAYS: Final = 7
_ROWS_OF_A_PAGE: Final = 25
"""Number of voicemails or texts of a page: each has a player or a text, and why the call came there."""
_MAX_CONVERSATION: Final = 200
_SECONDS_PER_DAY: Final = 86_400
_NOTE: Final = "note"
_REPLY_REFUSALS: Final = {
    "account": "This server has no account of Opentact: it cannot send texts.",
    "numbers": "A text goes from a number of your flows to a phone number.",
    "length": f"A text has 1 to {MAX_SMS_CHARACTERS} characters.",
    "stop": "This number has sent STOP: no more texts may be sent to it.",
}
"""Reasons why a text is not sent; the address of the page has the key."""


def add_inbox_pages(console: Console) -> None:
    """Add the inbox, the conversations, the sounds, and what people change there."""
    pages = _InboxPages(console)
    console.add_page("/inbox", pages.show_inbox)
    console.add_page("/texts/{ours}/{other}", pages.show_conversation)
    console.add_page("/texts/{ours}/{other}", pages.send_reply, "operate", ["POST"])
    console.add_page("/recordings/{recording}/sound", pages.play_recording)
    console.add_page("/inbox/{kind}/{id}", pages.change_thing, "operate", ["POST"])


class _InboxPages:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._journal = console.sources.journal
        self._fetcher = RecordingFetcher(console.sources.private_networks)

    async def show_inbox(self, request: Request, session: ConsoleSession) -> Response:
        box = request.query_params.get("box", "voicemails")
        state = request.query_params.get("state", "new" if box != "missed" else "")
        if box not in _BOXES or state not in ("", *INBOX_STATES):
            raise HTTPException(400, "box: use voicemails, texts or missed; state: use new or handled")
        cursor = read_page_cursor(request.query_params.get("cursor", ""))
        inbox_filter = InboxFilter(
            flow=request.query_params.get("flow", "") if box == "voicemails" else "",
            state=state,
            after=cursor,
            limit=_ROWS_OF_A_PAGE + 1,
        )
        rows: list[dict[str, Any]]
        if box == "voicemails":
            rows = await ask_journal(self._journal.list_voicemails(inbox_filter))
        elif box == "texts":
            rows = await ask_journal(self._journal.list_messages(inbox_filter._replace(direction="in")))
        else:
            rows = await self._list_missed()
        shown, more = rows[:_ROWS_OF_A_PAGE], ""
        if len(rows) > _ROWS_OF_A_PAGE and box != "missed":
            more = urlencode({"box": box, "state": state, "cursor": write_page_cursor(shown[-1]["cursor"])})
        return await self._console.render(
            request,
            session,
            "inbox.html",
            boxes=_BOXES,
            box=box,
            state=state,
            rows=shown,
            reasons=await ask_journal(self._journal.explain_endings(sorted({row["call"] for row in shown})))
            if box == "voicemails"
            else {},
            more=more,
            changed=await self._describe_change(request),
            here=_read_address_without_change(request),
            zone_of=self._console.find_zone_name,
            zone_of_number=self._console.find_zone_of_number,
        )

    async def _describe_change(self, request: Request) -> dict[str, Any] | None:
        """Describe the voicemail or text that was just marked, as it is now; None if there is none."""
        kind, _, id_ = request.query_params.get("changed", "").partition(" ")
        one = InboxFilter(id=id_, limit=1)
        if kind == VOICEMAIL_KIND:
            rows = await ask_journal(self._journal.list_voicemails(one))
        else:
            rows = await ask_journal(self._journal.list_messages(one)) if kind == MESSAGE_KIND else []
        if not id_ or not rows:
            return None
        who = rows[0].get("name") or format_caller(rows[0]["from"])
        return {
            "kind": kind,
            "id": id_,
            "words": f"{'voicemail' if kind == VOICEMAIL_KIND else 'text'} of {who}",
            "is_handled": bool(rows[0]["handled_at"]),
            "has_note": "noted" in request.query_params,
        }

    async def _list_missed(self) -> list[dict[str, Any]]:
        """Return the calls of the last days that nobody took and that left no message, the newest first."""
        since, outlines = time.time() - _MISSED_DAYS * _SECONDS_PER_DAY, self._console.get_outlines()
        call_filter = CallFilter(final_endings=_MISSED_ENDINGS, since=since, limit=_ROWS_OF_A_PAGE)
        calls = await ask_journal(self._journal.list_calls(call_filter))
        return [{**build_named_row(call, outlines), "name": call["name"] or ""} for call in calls]

    async def show_conversation(self, request: Request, session: ConsoleSession) -> Response:
        ours, other = request.path_params["ours"], request.path_params["other"]
        rows = await ask_journal(
            self._journal.list_messages(InboxFilter(number=ours, party=other, limit=_MAX_CONVERSATION))
        )
        if not rows:
            raise HTTPException(404, "There is no conversation between these numbers.")
        return await self._console.render(
            request,
            session,
            "conversation.html",
            ours=ours,
            other=other,
            rows=rows[::-1],
            refusal=_REPLY_REFUSALS.get(request.query_params.get("refused", ""), ""),
            is_sent="sent" in request.query_params,
            has_stopped=await ask_journal(self._journal.is_opted_out(ours, other)),
            can_send=self._console.sources.send_effect is not None,
            max_characters=MAX_SMS_CHARACTERS,
            zone=self._console.find_zone_of_number(ours),
        )

    async def send_reply(self, request: Request, session: ConsoleSession) -> Response:
        """Send a text, or tell on the page of the conversation why it was refused: a page that can be loaded again."""
        fields = await self._console.access.read_form(request, session)
        ours, other = request.path_params["ours"], request.path_params["other"]
        text = clean_text(fields.get("text", "")).strip()
        if not await ask_journal(self._journal.list_messages(InboxFilter(number=ours, party=other, limit=1))):
            raise HTTPException(404, "There is no conversation between these numbers.")
        page, send = f"/texts/{quote(ours)}/{quote(other)}", self._console.sources.send_effect
        refusal = await self._find_reply_refusal(ours, other, text)
        if refusal or send is None:
            return self._console.redirect(f"{page}?refused={refusal}")
        change = self._console.access.build_person_change(request, session.user)
        await self._console.access.record_change(change, "text", f"text {ours} {other}", "", text)
        send(Effect("sms", f"console/{uuid.uuid4().hex}", {"from": ours, "to": other, "text": text}))
        return self._console.redirect(f"{page}?sent")

    async def _find_reply_refusal(self, ours: str, other: str, text: str) -> str:
        """Return why a text may not be sent, as a key of ``_REPLY_REFUSALS``; empty if it may."""
        book = self._console.sources.get_loaded_flows().book
        if self._console.sources.send_effect is None:
            return "account"
        if not parse_e164(ours) or not parse_e164(other) or book.find_answering_flow(ours) is None:
            return "numbers"
        if not text or len(text) > MAX_SMS_CHARACTERS:
            return "length"
        return "stop" if await ask_journal(self._journal.is_opted_out(ours, other)) else ""

    async def play_recording(self, request: Request, _session: ConsoleSession) -> Response:
        url = await ask_journal(self._journal.find_recording_url(request.path_params["recording"]))
        if not url:
            raise HTTPException(404, "There is no such recording.")
        range_header = request.headers.get("range", "")
        return await self._fetcher.serve_recording(request.path_params["recording"], url, range_header)

    async def change_thing(self, request: Request, session: ConsoleSession) -> Response:
        """Store a typed note, and mark a voicemail or a text as handled or new: whatever the button, no note is lost."""
        fields = await self._console.access.read_form(request, session)
        kind, id_ = await self._require_thing(request)
        action, text = fields.get("do", ""), fields.get("text", "").strip()
        if action not in (_NOTE, *INBOX_STATES):
            raise HTTPException(400, f"do: use {_NOTE}, {' or '.join(INBOX_STATES)}")
        change = self._console.access.build_person_change(request, session.user)
        if text or action == _NOTE:
            try:
                await ask_journal(self._journal.add_note(kind, id_, change, text))
            except JournalRejectionError as error:
                raise HTTPException(400, f"The note was not stored: {error}.") from None
        page = choose_next_path(fields.get("next")).removeprefix("/console")
        if action == _NOTE:
            return self._console.redirect(page, f"note-{id_}")
        await ask_journal(self._journal.set_handled(kind, id_, change, handled=action == "handled"))
        changed_query = urlencode({"changed": f"{kind} {id_}", **({"noted": "yes"} if text else {})})
        return self._console.redirect(f"{page}{'&' if '?' in page else '?'}{changed_query}")

    async def _require_thing(self, request: Request) -> tuple[str, str]:
        kind, id_ = request.path_params["kind"], request.path_params["id"]
        if kind not in (VOICEMAIL_KIND, MESSAGE_KIND) or not await ask_journal(self._journal.has_thing(kind, id_)):
            raise HTTPException(404, "There is no such voicemail or text. It may have been erased.")
        return kind, id_


def _read_address_without_change(request: Request) -> str:
    """Return the address of the page, without what it says about the last change."""
    url = request.url.remove_query_params(["changed", "noted"])
    return f"{url.path}?{url.query}" if url.query else url.path

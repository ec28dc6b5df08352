"""Links to recordings, for apps under ``twiml``: such an app gets the link before Opentact has reported the recording."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from fastapi.responses import RedirectResponse

from callflows.errors import JournalError
from callflows.flows.compiler.twiml_flow import RECORDING_URL_PREFIX

if TYPE_CHECKING:
    from callflows.flows.tickets import TicketSigner
    from callflows.journal.journal import Journal


def create_recording_router(journal: Journal, signer: TicketSigner) -> APIRouter:
    """Redirect signed links to the recordings that Opentact has reported. Apps append .mp3 or .wav to such links."""
    router = APIRouter()

    @router.get(
        RECORDING_URL_PREFIX + "{call}/{tag}/{signature}",
        summary="A recording of a call, by the signed link that an app under twiml has",
        response_class=RedirectResponse,
        status_code=302,
    )
    async def recording_link(call: str, tag: str, signature: str) -> RedirectResponse:
        if not signer.is_signed_permanently(f"{call}/{tag}", re.sub(r"\.(?:mp3|wav|json)$", "", signature)):
            raise HTTPException(403, "the link was not signed here")
        try:
            finished_call = await journal.load_finished_call(call)
        except JournalError:
            raise HTTPException(503, "the database cannot be asked") from None
        recordings = finished_call.record.recordings if finished_call is not None else ()
        url = next((recording.url for recording in recordings if recording.tag == tag and recording.url), "")
        if not url:
            raise HTTPException(404, "Opentact has not reported this recording")
        return RedirectResponse(url, 302)

    return router

"""A campaign in a database of its own, with a clock that each tick of the runner moves by a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callflows.campaigns.campaign_runner import CampaignRunner
from callflows.campaigns.campaign_settings import CampaignSettings
from callflows.campaigns.outbound_document import OutboundDocuments
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.tickets import TicketSigner
from callflows.journal.campaign_store import StoredCampaign, list_numbers, load_campaign, store_campaign

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from callflows.journal.sql_store import SqlStore

SENDER = "+12015550123"
BEGIN = 1_800_000_000.0
FLOW = f"numbers: {SENDER}\nnodes: {{start: [say: Hello.]}}\n"


class ClockStoppedError(Exception):
    """The clock has come to the moment at which a test ends a run."""


class Clock:
    """Seconds since ``BEGIN``; ``at_tick`` is called after each second."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.stop = float("inf")
        self.at_tick: Callable[[float], None] = lambda _seconds: None

    def get_time(self) -> float:
        return BEGIN + self.seconds

    async def tick(self, _seconds: float) -> None:
        self.seconds += 1.0
        if self.seconds >= self.stop:
            raise ClockStoppedError
        self.at_tick(self.seconds)
        await asyncio.sleep(0)


def prepare_campaign(store: SqlStore, name: str, numbers: Sequence[str], **settings: object) -> StoredCampaign:
    given = {"hours": "00:00-24:00", "days": "mon-sun", "calls_per_minute": 100_000.0, **settings}
    stored = CampaignSettings(sender=SENDER, profile="", **given).to_data()  # type: ignore[arg-type]
    campaign = StoredCampaign(name, "desk", BEGIN, "a test", stored)
    store.run_writing(lambda connection: store_campaign(connection, campaign, [(number, {}) for number in numbers]))
    loaded = store.run_reading(lambda connection: load_campaign(connection, name))
    assert loaded is not None
    return loaded


def make_runner(
    store: SqlStore,
    campaign: StoredCampaign,
    call_number: Callable[[str, bytes], Awaitable[str]],
    clock: Clock | None = None,
    tell: Callable[[str], None] = print,
) -> CampaignRunner:
    signer = TicketSigner([b"a key of the tests"])
    flow = compile_flow("desk", FLOW.encode(), "desk.yaml", CompilerOptions(signer, "Sorry.")).flow
    assert flow is not None
    clock = clock or Clock()
    documents = OutboundDocuments(flow, signer, "https://flows.localhost", SENDER)
    return CampaignRunner(
        store, campaign, documents, call_number, lambda _number: False, tell, get_time=clock.get_time, sleep=clock.tick
    )


def read_states(store: SqlStore, name: str) -> list[str]:
    numbers = store.run_reading(lambda connection: list_numbers(connection, name))
    return [number.state.value for number in numbers]

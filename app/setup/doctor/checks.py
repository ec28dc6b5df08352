"""All that is looked at, in the order in which it is told. What another part of the house knows is added by the caller."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.setup.doctor import account as accounts
from app.setup.doctor import app, here, outside
from app.setup.doctor.results import Check, Once, beside, looking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.flows.loader import Loaded
    from app.settings import Settings
    from app.setup.doctor.account import Account
    from app.setup.doctor.results import Finding


def checks_of(settings: Settings, account: Account, load: Callable[[], Loaded]) -> list[Check]:
    """The checks of an installation; ``load`` loads its flows."""
    loaded = Once(partial(beside, load))

    async def flows() -> Sequence[Finding]:
        return [*here.flows(await loaded(), settings.flows)]

    return [
        Check("settings", looking(partial(here.settings_known, settings)), local=True),
        Check("token", looking(partial(here.token, settings)), local=True),
        Check("public-url", looking(partial(here.public_url, settings)), local=True),
        Check("secret-keys", looking(partial(here.secret_keys, settings)), local=True),
        Check("proxies", looking(partial(here.proxies, settings)), local=True),
        Check("data", looking(partial(here.data, settings)), local=True),
        Check("database", looking(partial(here.database, settings)), local=True),
        Check("flows", flows, local=True, seconds=120.0),
        Check("reachable", partial(outside.reachable, settings), fails="error"),
        Check("closed", partial(outside.closed, settings)),
        Check("token-known", partial(outside.token_known, settings)),
        Check("clock", partial(outside.clock, settings)),
        Check("credentials", partial(accounts.credentials, settings, account), fails="error"),
        Check("app", partial(app.points_here, settings, account)),
        Check("timeout", partial(app.timeouts, settings, account)),
        Check("call-length", partial(app.call_length, settings, account)),
        Check("answering", partial(app.answering, account, loaded)),
        Check("numbers", partial(app.numbers, account, loaded), seconds=120.0),
        Check("messages", partial(app.messages, account, loaded), seconds=120.0),
        Check("subscriptions", partial(accounts.subscribed, settings, account)),
        Check("events", partial(accounts.listening, settings, account), seconds=40.0),
    ]

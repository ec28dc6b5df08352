"""All that is looked at, in the order in which it is told. What another part of the house knows is added by the caller."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.setup.doctor import account as accounts
from app.setup.doctor import app, here, outside
from app.setup.doctor.results import DoctorCheck, SharedFetch, run_in_daemon_thread, wrap_local_check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.flows.loader import LoadedFlows
    from app.settings import Settings
    from app.setup.doctor.account import DoctorAccount
    from app.setup.doctor.results import DoctorFinding


def build_doctor_checks(settings: Settings, account: DoctorAccount, load: Callable[[], LoadedFlows]) -> list[DoctorCheck]:
    """The checks of an installation; ``load`` loads its flows."""
    loaded = SharedFetch(partial(run_in_daemon_thread, load))

    async def diagnose_loaded_flows() -> Sequence[DoctorFinding]:
        return [*here.diagnose_flows(await loaded(), settings.flows)]

    return [
        DoctorCheck("settings", wrap_local_check(partial(here.diagnose_setting_names, settings)), is_local=True),
        DoctorCheck("token", wrap_local_check(partial(here.diagnose_token, settings)), is_local=True),
        DoctorCheck("public-url", wrap_local_check(partial(here.diagnose_public_url, settings)), is_local=True),
        DoctorCheck("secret-keys", wrap_local_check(partial(here.diagnose_secret_keys, settings)), is_local=True),
        DoctorCheck("proxies", wrap_local_check(partial(here.diagnose_proxies, settings)), is_local=True),
        DoctorCheck("data", wrap_local_check(partial(here.diagnose_data_folder, settings)), is_local=True),
        DoctorCheck("database", wrap_local_check(partial(here.diagnose_database, settings)), is_local=True),
        DoctorCheck("flows", diagnose_loaded_flows, is_local=True, timeout_seconds=120.0),
        DoctorCheck("reachable", partial(outside.diagnose_reachability, settings), failure_level="error"),
        DoctorCheck("closed", partial(outside.diagnose_access_control, settings)),
        DoctorCheck("token-known", partial(outside.diagnose_running_token, settings)),
        DoctorCheck("clock", partial(outside.diagnose_clock, settings)),
        DoctorCheck("credentials", partial(accounts.diagnose_credentials, settings, account), failure_level="error"),
        DoctorCheck("app", partial(app.diagnose_app_urls, settings, account)),
        DoctorCheck("timeout", partial(app.diagnose_app_timeout, settings, account)),
        DoctorCheck("call-length", partial(app.diagnose_call_length, settings, account)),
        DoctorCheck("answering", partial(app.diagnose_auto_answer, account, loaded)),
        DoctorCheck("numbers", partial(app.diagnose_numbers, account, loaded), timeout_seconds=120.0),
        DoctorCheck("messages", partial(app.diagnose_messaging, account, loaded), timeout_seconds=120.0),
        DoctorCheck("subscriptions", partial(accounts.diagnose_subscriptions, settings, account)),
        DoctorCheck("events", partial(accounts.diagnose_event_connection, settings, account), timeout_seconds=40.0),
    ]

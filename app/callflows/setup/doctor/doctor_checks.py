"""The table of all checks, in display order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from callflows.setup.doctor import account_checks as accounts
from callflows.setup.doctor import app_checks, local_checks, reachability_checks
from callflows.setup.doctor.doctor_runner import DoctorCheck, SharedFetch, run_in_daemon_thread, wrap_local_check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.settings import Settings
    from callflows.setup.doctor.account_checks import DoctorAccount
    from callflows.setup.doctor.doctor_runner import DoctorFinding


def build_doctor_checks(settings: Settings, account: DoctorAccount, load: Callable[[], LoadedFlows]) -> list[DoctorCheck]:
    """Build the checks of an installation; ``load`` loads the flows."""
    loaded = SharedFetch(partial(run_in_daemon_thread, load))

    async def diagnose_loaded_flows() -> Sequence[DoctorFinding]:
        return [*local_checks.diagnose_flows(await loaded(), settings.flows)]

    return [
        DoctorCheck("settings", wrap_local_check(partial(local_checks.diagnose_setting_names, settings)), is_local=True),
        DoctorCheck("token", wrap_local_check(partial(local_checks.diagnose_token, settings)), is_local=True),
        DoctorCheck("public-url", wrap_local_check(partial(local_checks.diagnose_public_url, settings)), is_local=True),
        DoctorCheck("secret-keys", wrap_local_check(partial(local_checks.diagnose_secret_keys, settings)), is_local=True),
        DoctorCheck("proxies", wrap_local_check(partial(local_checks.diagnose_proxies, settings)), is_local=True),
        DoctorCheck("data", wrap_local_check(partial(local_checks.diagnose_data_folder, settings)), is_local=True),
        DoctorCheck("database", wrap_local_check(partial(local_checks.diagnose_database, settings)), is_local=True),
        DoctorCheck("flows", diagnose_loaded_flows, is_local=True, timeout_seconds=120.0),
        DoctorCheck("reachable", partial(reachability_checks.diagnose_reachability, settings), failure_level="error"),
        DoctorCheck("closed", partial(reachability_checks.diagnose_access_control, settings)),
        DoctorCheck("token-known", partial(reachability_checks.diagnose_running_token, settings)),
        DoctorCheck("clock", partial(reachability_checks.diagnose_clock, settings)),
        DoctorCheck("mail", partial(reachability_checks.diagnose_mail, settings, loaded), timeout_seconds=120.0),
        DoctorCheck("credentials", partial(accounts.diagnose_credentials, settings, account), failure_level="error"),
        DoctorCheck("app", partial(app_checks.diagnose_app_urls, settings, account)),
        DoctorCheck("timeout", partial(app_checks.diagnose_app_timeout, settings, account)),
        DoctorCheck("call-length", partial(app_checks.diagnose_call_length, settings, account)),
        DoctorCheck("answering", partial(app_checks.diagnose_auto_answer, account, loaded)),
        DoctorCheck("numbers", partial(app_checks.diagnose_numbers, account, loaded), timeout_seconds=120.0),
        DoctorCheck("messages", partial(app_checks.diagnose_messaging, settings, account, loaded), timeout_seconds=120.0),
        DoctorCheck("subscriptions", partial(accounts.diagnose_subscriptions, settings, account)),
        DoctorCheck("events", partial(accounts.diagnose_event_connection, settings, account), timeout_seconds=40.0),
    ]

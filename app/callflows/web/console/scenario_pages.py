"""Makes a scenario of a call, past or rung on the page, shows it, and adds it to the tests of the flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from callflows.errors import (
    CommandBusyError,
    CommandFailedError,
    DraftConflictError,
    DraftRefusedError,
    ReadOnlyFlowsError,
    ValueEditError,
)
from callflows.web.console.impact_trials import BUSY_REFUSAL
from callflows.web.console.kept_drafts import KeptDrafts
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession
    from callflows.web.flow_workshop import FlowWorkshop


def add_scenario_pages(console: Console, workshop: FlowWorkshop) -> None:
    """Add the pages that make a test of a past call, and add a test to a flow."""
    pages = _ScenarioPages(console, workshop)
    console.add_page("/calls/{call}/test", pages.show_call_scenario, "author")
    console.add_page("/flows/{flow}/tests", pages.show_kept_scenario, "author")
    console.add_page("/flows/{flow}/tests", pages.add_scenario, "author", ["POST"])


async def render_scenario(
    console: Console,
    request: Request,
    session: ConsoleSession,
    flow: str,
    scenario: str,
    **found: Any,  # noqa: ANN401 - values of the template
) -> Response:
    """Render a scenario that can be read, changed, run and added."""
    values: dict[str, Any] = {"refusal": "", "patch": "", "problems": (), "tests": None, **found}
    return await console.render(request, session, "scenario.html", flow=flow, scenario=scenario, **values)


class _ScenarioPages:
    def __init__(self, console: Console, workshop: FlowWorkshop) -> None:
        self._console = console
        self._workshop = workshop
        self._drafts = KeptDrafts(console.sources.journal)

    async def show_call_scenario(self, request: Request, session: ConsoleSession) -> Response:
        call = request.path_params["call"]
        stored = await ask_journal(self._console.sources.journal.load_call(call))
        if stored is None:
            raise HTTPException(404, "There is no such call.")
        flow = stored.call["flow"] or ""
        if flow not in self._console.sources.get_loaded_flows().book.flows:
            raise HTTPException(404, "The flow that answered this call is gone.")
        try:
            scenario = await self._workshop.record_call(call)
        except CommandBusyError:
            raise HTTPException(429, BUSY_REFUSAL) from None
        except CommandFailedError as error:
            raise HTTPException(404, f"The call cannot be made a test: {error}") from None
        return await render_scenario(self._console, request, session, flow, scenario, call=call)

    async def show_kept_scenario(self, request: Request, session: ConsoleSession) -> Response:
        """Show the scenario that was run last, with what was found, until it is added."""
        flow = request.path_params["flow"]
        kept = await self._drafts.load_scenario(flow, session.user)
        if kept is None:
            return self._console.redirect(f"/flows/{flow}?view=file", "main")
        scenario, report = kept
        return await render_scenario(self._console, request, session, flow, scenario, **{"call": "", **report})

    async def add_scenario(self, request: Request, session: ConsoleSession) -> Response:
        """Run a scenario with the other tests of its flow, or add it to the file.

        What was found is kept for the next page: to load that page again runs and adds nothing.
        """
        fields = await self._console.access.read_form(request, session)
        flow, scenario = request.path_params["flow"], fields.get("scenario", "").replace("\r\n", "\n")
        report: dict[str, Any] = {"call": fields.get("call", "")}
        try:
            changed = await self._workshop.add_test(flow, scenario)
            if fields.get("do") == "add":
                change = self._console.access.build_person_change(request, session.user)
                await ask_journal(self._workshop.publish(flow, changed.text, changed.digest, change))
                await self._drafts.discard_scenario(flow, session.user)
                line = changed.text.rstrip().rpartition("\n- name:")[0] or changed.text.rstrip().rpartition("- name:")[0]
                return self._console.redirect(f"/flows/{flow}?view=file", f"L{line.count(chr(10)) + 1}")
            tests = (await self._workshop.test_draft(flow, changed.text))["scenarios"]
            report["tests"] = [{"name": test["name"], "passed": test["passed"]} for test in tests]
        except LookupError:
            report["refusal"] = "This flow has no file that can be changed here: copy the test into its tests."
        except DraftRefusedError as error:
            report["problems"] = [
                {name: getattr(problem, name) for name in ("severity", "line", "message", "fix")}
                for problem in error.problems
            ]
        except (DraftConflictError, ValueEditError, CommandFailedError) as error:
            report["refusal"] = str(error)
        except CommandBusyError:
            report["refusal"] = BUSY_REFUSAL
        except ReadOnlyFlowsError as error:
            report |= {"refusal": str(error), "patch": error.patch}
        except OSError as error:
            report["refusal"] = f"The file cannot be written: {error.strerror}"
        await self._drafts.keep_scenario(flow, session.user, scenario, report)
        return self._console.redirect(f"/flows/{flow}/tests")

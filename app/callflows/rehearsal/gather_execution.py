"""Runs a Gather: collects digits, then runs a branch or requests the next document from a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.language import DTMF, Default, Pause, Play, Say
from callflows.rehearsal import undocumented_rules
from callflows.rehearsal.call_state import CommandFailure, DocumentReplacement, tag_fields

if TYPE_CHECKING:
    from callflows.language import Dialect, Gather
    from callflows.language.element import Element
    from callflows.rehearsal.call_state import CallState


NO_INPUT_REASON: Final = "nothing was entered"


class GatherExecution:
    """One run of a Gather."""

    def __init__(self, call: CallState, gather: Gather, path: str, dialect: Dialect) -> None:
        self._call = call
        self._gather = gather
        self._path = path
        self._is_classic = dialect == "classic"
        attributes = gather.attributes
        self._max_digits: int = attributes.get("dtmf_length", 1 if self._is_classic else 0)
        self._stop_key: str = attributes.get("dtmf_stop", "*" if self._is_classic else "")
        self._url = attributes.get("url", "")

    async def run(self) -> None:
        """Repeat attempts until the caller enters acceptable digits. Raises DocumentReplacement for a fetched document."""
        if self._call.key_buffer:
            self._call.rules.apply_rule(undocumented_rules.EARLY_KEYS_RULE)
        attempts: int = self._gather.attributes.get("attempts", 1)
        for attempt in range(1, attempts + 1):
            self._call.check_limits()
            await self._play_prompts()
            digits = await self._collect_digits()
            branch = self._find_branch(digits)
            matched, taken = isinstance(branch, DTMF), self._accepts_any_digits(digits)
            result = self._classify_result(digits, is_match=matched)
            await self._call.announce_step("Gather", self._path, digits=digits, result=result, **tag_fields(self._gather))
            if self._url and self._is_classic:
                await self._request_classic_callback(digits, attempt, attempts)
            elif self._url and digits:
                await self._request_document(digits, is_match=matched)
            if matched or taken or attempt == attempts:
                await self._run_branch(branch, digits, is_last_attempt=attempt > 1 and not (matched or taken))
                return

    async def _play_prompts(self) -> None:
        for index, child in enumerate(self._gather.children):
            if isinstance(child, (Say, Play, Pause)):
                await self._call.run_command(child, f"{self._path}.{child.spec.name}[{index}]")

    def _find_branch(self, digits: str) -> Element | None:
        """Return the DTMF branch of these digits, else the Default; None if the caller entered no digits."""
        children = self._gather.children if digits else ()
        for child in children:
            if isinstance(child, DTMF) and child.attributes["value"] == digits:
                return child
        return next((child for child in children if isinstance(child, Default)), None)

    async def _run_branch(self, branch: Element | None, digits: str, *, is_last_attempt: bool) -> None:
        """Run a branch; the flow continues after the Gather. Raises CommandFailure if the caller entered no digits."""
        if is_last_attempt:
            self._call.rules.apply_rule(undocumented_rules.LAST_ATTEMPT_RULE)
        if not digits:
            raise CommandFailure(NO_INPUT_REASON)
        if branch is not None:
            index = next(i for i, child in enumerate(self._gather.children) if child is branch)
            await self._call.run_branch(branch, f"{self._path}.{branch.spec.name}[{index}]")

    def _classify_result(self, digits: str, *, is_match: bool) -> str:
        if is_match or not digits:
            return "matched" if is_match else "no-input"
        return "collected" if self._url or self._accepts_any_digits(digits) else "no-match"

    def _accepts_any_digits(self, digits: str) -> bool:
        """Return True if any digits are acceptable because the Gather has neither branches nor a URL."""
        branches = (child for child in self._gather.children if isinstance(child, (DTMF, Default)))
        return bool(digits) and not self._url and next(branches, None) is None

    # Collecting digits

    async def _collect_digits(self) -> str:
        """Collect digits until the maximum length, the stop key or the timeout."""
        wait = self._key_timeout()
        digits = ""
        while True:
            while self._call.key_buffer:
                key, self._call.key_buffer = self._call.key_buffer[0], self._call.key_buffer[1:]
                if key == self._stop_key:
                    self._call.rules.apply_rule(undocumented_rules.STOP_KEY_RULE)
                    self._note_few_digits(digits)
                    return digits
                digits += key
                if len(digits) == self._max_digits:
                    return digits
                self._note_unmatched_digits(digits)
            more = await self._call.wait_for_keys("Gather", self._path, wait, self._stop_key, continues_input=bool(digits))
            if not more:
                self._note_key_timeout(digits)
                return digits
            self._call.key_buffer += more

    def _key_timeout(self) -> float:
        timeout: Any = self._gather.attributes.get("timeout")
        return float(timeout) / 1000 if timeout is not None else undocumented_rules.KEY_TIMEOUT_SECONDS

    def _note_key_timeout(self, digits: str) -> None:
        if "timeout" not in self._gather.attributes:
            self._call.rules.apply_rule(undocumented_rules.NO_TIME_LIMIT_RULE)
        self._note_few_digits(digits)

    def _note_few_digits(self, digits: str) -> None:
        if digits and len(digits) < self._max_digits:
            self._call.rules.apply_rule(undocumented_rules.FEW_DIGITS_RULE)

    def _note_unmatched_digits(self, digits: str) -> None:
        """Note the rule if no branch begins with these digits; collection continues all the same."""
        keys = [str(child.attributes["value"]) for child in self._gather.children if isinstance(child, DTMF)]
        if keys and not any(value.startswith(digits) for value in keys):
            self._call.rules.apply_rule(undocumented_rules.NO_BRANCH_RULE)

    # Requests to the Gather's URL

    async def _request_document(self, digits: str, *, is_match: bool) -> None:
        """Request the URL of a reference Gather unless a branch matches the digits.

        Raises DocumentReplacement, or CommandFailure if the URL returns no document.
        """
        if any(isinstance(child, (DTMF, Default)) for child in self._gather.children):
            self._call.rules.apply_rule(undocumented_rules.BRANCH_OR_URL_RULE)
        if is_match:
            return
        raise DocumentReplacement(await self._call.fetch_document("GET", self._call.build_document_url(self._url, digits)))

    async def _request_classic_callback(self, digits: str, attempt: int, attempts: int) -> None:
        """Request the callback of a classic Gather; after an empty answer the Gather continues.

        Raises DocumentReplacement for a document, CommandFailure for an error.
        """
        if attempt < attempts:
            self._call.rules.apply_rule(undocumented_rules.CLASSIC_ATTEMPTS_RULE)
        method = self._gather.attributes.get("method", "GET")
        url = self._call.build_classic_url(self._url, digits, attempt)
        body = self._call.phone_call.build_classic_body() if method == "POST" else None
        document = await self._call.fetch_document(method, url, body, allow_empty=True)
        if document.strip():
            raise DocumentReplacement(document)

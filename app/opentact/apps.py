"""SIP Control Apps: how numbers find the URL that answers their calls; and the calls themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.opentact import paths
from app.opentact.pages import MOST, listed, record_of, searched
from app.opentact.records import App, Call, Executed, Record
from app.opentact.rest import Request, Rest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Apps:
    """SIP Control Apps. All raise OpentactError. Source: API description of 2021."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def all(self) -> list[App]:
        """All of the account."""
        return await listed(self._rest, App, paths.APPS)

    async def get(self, uuid: str) -> App:
        """One."""
        return await self._app(Request("GET", paths.APP, {"uuid": uuid}, safe=True))

    async def create(self, name: str, product: object, **fields: Any) -> App:  # noqa: ANN401 - Opentact's own
        """Make one; ``product`` is one of ``products``. Its two trunk settings must be there, so they are sent empty."""
        trunks: dict[str, Any] = {name: {} for name in paths.TRUNK_SETTINGS}
        body = {"name": name, "is_active": True, "product": product, **trunks, **fields}
        return await self._app(Request("POST", paths.APPS, body=body))

    async def change(self, uuid: str, **fields: Any) -> App:  # noqa: ANN401 - Opentact's own
        """Change these fields, as ``call_flow_url``, ``call_flow_method``, ``call_flow_request_timeout`` (milliseconds)."""
        return await self._app(Request("PATCH", paths.APP, {"uuid": uuid}, body=fields))

    async def delete(self, uuid: str) -> None:
        """Remove one."""
        await self._rest.ask(Request("DELETE", paths.APP, {"uuid": uuid}))

    async def products(self) -> list[Record]:
        """What an app may be made of."""
        return await listed(self._rest, Record, paths.PRODUCTS)

    async def leases(self, uuid: str) -> object:
        """The numbers that an app has, as Opentact describes them."""
        return await self._rest.ask(Request("GET", paths.APP_NUMBERS, {"uuid": uuid}, safe=True))

    async def assign(self, uuid: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> object:
        """Give numbers to an app and take others away, by the ids of their leases."""
        body = {"add": [*add], "remove": [*remove]}
        return await self._rest.ask(Request("POST", paths.APP_NUMBERS, {"uuid": uuid}, body=body))

    async def document(self, uuid: str) -> str:
        """The static document that Opentact keeps for an app; nothing where there is none."""
        payload = await self._rest.ask(Request("GET", paths.APP_DOCUMENT, {"uuid": uuid}, safe=True))
        return payload if isinstance(payload, str) else ""

    async def keep(self, uuid: str, document: bytes) -> None:
        """Have Opentact keep a static document; whether it or a URL wins is not documented."""
        await self._rest.ask(Request("POST", paths.APP_DOCUMENT, {"uuid": uuid}, file=document))

    async def forget(self, uuid: str) -> None:
        """Remove the static document."""
        await self._rest.ask(Request("DELETE", paths.APP_DOCUMENT, {"uuid": uuid}))

    def logs(self, uuid: str, *, take: int = MOST, **masks: Any) -> AsyncIterator[Executed]:  # noqa: ANN401 - Opentact's own
        """Each element that was executed for an app's calls."""
        return searched(self._rest, Executed, paths.APP_LOGS, masks, names={"uuid": uuid}, take=take)

    async def _app(self, request: Request) -> App:
        return record_of(App, await self._rest.ask(request), request)


class Calls:
    """Calls, live and over. All raise OpentactError."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def online(self) -> list[Call]:
        """Those that are live (API description)."""
        return await listed(self._rest, Call, paths.APP_CALLS_ONLINE)

    async def get(self, uuid: str) -> Call:
        """One of an app (API description)."""
        request = Request("GET", paths.APP_CALL, {"uuid": uuid}, safe=True)
        return record_of(Call, await self._rest.ask(request), request)

    def of_apps(self, *, take: int = MOST, **masks: Any) -> AsyncIterator[Call]:  # noqa: ANN401 - Opentact's own
        """Those of apps that fit masks (API description)."""
        return searched(self._rest, Call, paths.APP_CALL_SEARCH, masks, take=take)

    def search(self, *, take: int = MOST, **masks: Any) -> AsyncIterator[Call]:  # noqa: ANN401 - Opentact's own
        """Those of the account: ``direction, tn, created_on_from, created_on_to`` (a customer's program)."""
        return searched(self._rest, Call, paths.CALL_SEARCH, masks, take=take)

    async def push(self, uuid: str, document: bytes) -> object:
        """Have a live call go on with a document (a customer's program; another path is in the API description)."""
        return await self._rest.ask(Request("POST", paths.PUSH_PATH, {"uuid": uuid}, file=document))

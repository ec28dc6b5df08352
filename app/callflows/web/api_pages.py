"""Pages of the server for people: a home page, and the description of the HTTP API (OpenAPI) for operators."""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment

from callflows.web.problem_details import create_problem_response
from callflows.web.server_status import explain_reader_refusal

if TYPE_CHECKING:
    from jinja2 import Template

    from callflows.web.request_trust import RequestTrust


_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_HOME_PAGE: Final = """\
<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>callflows</title>
<style>body{font:16px/1.5 system-ui;margin:3rem auto;max-width:38rem;padding:0 1rem;color-scheme:light dark}</style>
<h1>callflows</h1>
<p>This server answers phone calls. Set <code>/call?token=…</code> on this host as the remote call control URL of an app in
Opentact's portal.</p>
<ul><li><a href="healthz">/healthz</a>: the server is alive</li>
<li><a href="readyz">/readyz</a>: the server can answer calls</li>
<li>/docs, /openapi.json and /metrics: for operators, with the token</li></ul>
"""
_API_PAGE: Final = """\
<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>callflows: HTTP API</title>
<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:54rem;padding:0 1rem;color-scheme:light dark}
section{border-top:1px solid #8886;padding:.5rem 0}h2{font-size:1.1rem;margin:.5rem 0}
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}</style>
<h1>callflows {{ api.info.version }}: HTTP API</h1>
<p>{{ api.info.description }}</p><p>For programs: <code>/openapi.json</code>.</p>
{% for path, methods in api.paths.items() %}{% for method, operation in methods.items() %}
<section><h2>{{ method | upper }} <code>{{ path }}</code></h2><p>{{ operation.summary }}</p>
{% if operation.description %}<p>{{ operation.description }}</p>{% endif %}
{% if operation.parameters %}<table><tr><th>Query or path</th><th>Meaning</th></tr>
{% for field in operation.parameters %}<tr><td><code>{{ field.name }}</code></td><td>{{ field.description or "" }}</td></tr>
{% endfor %}</table>{% endif %}
<table><tr><th>Status</th><th>Answer</th></tr>
{% for status, answer in operation.responses.items() %}<tr><td>{{ status }}</td>
<td>{{ answer.description }}{% if answer.content %} ({{ answer.content | join(", ") }}){% endif %}</td></tr>
{% endfor %}</table></section>
{% endfor %}{% endfor %}
"""


def create_api_router(app: FastAPI, trust: RequestTrust) -> APIRouter:
    """Serve ``/``, and for operators ``/docs`` and ``/openapi.json``. No page loads anything from elsewhere."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def home() -> Response:
        return HTMLResponse(_HOME_PAGE, headers=_PAGE_HEADERS)

    @router.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        refusal = explain_reader_refusal(request, trust)
        return create_problem_response(403, refusal) if refusal else JSONResponse(describe_api(app))

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        refusal = explain_reader_refusal(request, trust)
        if refusal:
            return create_problem_response(403, refusal)
        return HTMLResponse(_compile_api_page().render(api=describe_api(app)), headers=_PAGE_HEADERS)

    return router


@functools.cache  # a server starts without it
def _compile_api_page() -> Template:
    return Environment(autoescape=True).from_string(_API_PAGE)


_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_PROBLEM_CONTENT: Final[dict[str, Any]] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSED: Final[dict[str, Any]] = {
    "description": "The token is missing or wrong, or the source address is not allowed",
    "content": _PROBLEM_CONTENT,
}
_DOCUMENT: Final[dict[str, Any]] = {
    "description": "A document of Opentact XML, whatever goes wrong",
    "content": {"application/xml": {"schema": {"type": "string"}}},
}


def _query_field(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


def _path_field(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": {"type": "string"}}


_START_FIELDS: Final = [
    _query_field("from", "the caller, as Opentact gives it: +12015550999"),
    _query_field("to", "the called number; tn means the same"),
    _query_field("token", "the token of the settings"),
]
_NODE_FIELDS: Final = [
    _path_field("flow", "the name of a flow"),
    _path_field("node", "the name of a node"),
    _query_field("ticket", "what the server signed when it wrote the URL"),
    _query_field("dtmf", "the digits that the caller entered"),
]


def _describe_call(operation_id: str, summary: str, fields: list[dict[str, Any]], *, has_body: bool) -> dict[str, Any]:
    body = {"requestBody": {"description": "the call", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return {
        "operationId": operation_id,
        "summary": summary,
        "parameters": fields,
        "responses": {"200": _DOCUMENT, "403": _REFUSED},
        **(body if has_body else {}),
    }


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of the whole server, with ``/call``, which FastAPI does not know."""
    api = get_openapi(title="callflows", version=version("callflows"), routes=app.routes, description=app.description)
    start, again = "The document for a new call", "The next document of a call"
    api["paths"] = {
        "/call": {
            "get": _describe_call("start_call", start, _START_FIELDS, has_body=False),
            "post": _describe_call("start_posted_call", start, _START_FIELDS, has_body=True),
        },
        "/call/{flow}/{node}": {
            "get": _describe_call("continue_call", again, _NODE_FIELDS, has_body=False),
            "post": _describe_call("continue_posted_call", again, _NODE_FIELDS, has_body=True),
        },
        **api["paths"],
    }
    schemas = api.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    api["components"]["securitySchemes"] = {
        "token": {"type": "apiKey", "in": "query", "name": "token", "description": "CALLFLOWS_TOKEN"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "the same token"},
        "operator": {"type": "http", "scheme": "bearer", "description": "a token of callflows token create"},
    }
    for path, operations in api["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # a wrong field is status 400
            if path.startswith("/api/"):
                operation["security"] = [{"operator": []}]
                continue
            # The URL of a recording is signed.
            is_open = path in ("/healthz", "/readyz") or path.startswith(("/media/", "/recordings/"))
            if path.startswith("/media/"):
                operation["responses"]["404"] = {"description": "There is no such sound", "content": _PROBLEM_CONTENT}
            elif path == "/metrics" or path.startswith("/recordings/"):
                operation["responses"]["403"] = {"description": "Not for strangers", "content": _PROBLEM_CONTENT}
            operation["security"] = [] if is_open or "{node}" in path else [{"token": []}]
            if path == "/metrics":
                operation["security"] = [{"token": []}, {"bearer": []}]
    return api

"""`/docs`, `/openapi.json` and `/config.js`: no asset comes from elsewhere."""

import asyncio
import base64
import hashlib
import json
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from services.api_gateway.dependencies import GatewayContext
from services.api_gateway.status import VERSION

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto;
       padding: 0 1rem; color-scheme: light dark }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
         border-bottom: 1px solid #8884 }
code, pre { font: .875rem/1.4 ui-monospace, monospace; overflow-x: auto }
summary { cursor: pointer }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The machine-readable description."""
    document = await _document(request)
    return Response(
        json.dumps(document),
        media_type="application/json",
        headers={"Cache-Control": "no-cache"},
    )


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The same for people."""
    return HTMLResponse(
        _page(await _document(request)),
        headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"},
    )


async def _document(request: Request) -> dict[str, Any]:
    # Made once, in a third of a second that the event loop does not have.
    document: dict[str, Any] = await asyncio.to_thread(request.app.openapi)
    return document


@router.get("/config.js")
async def config_js(context: GatewayContext) -> Response:
    """What the page has to know of this installation; no secrets."""
    settings = {"version": VERSION, "instance": context.founders.cookie_name}
    # `<` could end a script element if somebody inlined this.
    text = json.dumps(settings).replace("<", "\\u003c")
    return Response(
        f"globalThis.__VB_CONFIG__ = Object.freeze({text});\n",
        media_type="text/javascript",
    )


def _page(document: dict[str, Any]) -> str:
    info = document["info"]
    operations = "".join(
        _row(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        _schema(name, schema)
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        f"<p>{escape(info.get('description', ''))}</p>"
        "<p><a href=/openapi.json>openapi.json</a></p>"
        "<table><thead><tr><th>Route<th>Does<th>Takes<th>Gives</thead>"
        f"<tbody>{operations}</tbody></table><h2>Schemas</h2>{schemas}</html>"
    )


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    takes = [
        f"{parameter['name']} ({parameter['in']})"
        for parameter in operation.get("parameters", [])
    ]
    takes += _names(operation.get("requestBody", {}))
    gives = [
        " ".join([code, *_names(response)])
        for code, response in operation["responses"].items()
    ]
    return (
        f"<tr><td><code>{method.upper()} {escape(path)}</code>"
        f"<td>{escape(operation.get('description', ''))}"
        f"<td>{escape(', '.join(takes))}<td>{escape(', '.join(gives))}"
    )


def _names(part: dict[str, Any]) -> list[str]:
    """Names of the schemas a body or a response refers to."""
    return [
        reference.rpartition("/")[2]
        for content in part.get("content", {}).values()
        for reference in _references(content.get("schema", {}))
    ]


def _references(schema: dict[str, Any]) -> list[str]:
    if "$ref" in schema:
        return [schema["$ref"]]
    return [option["$ref"] for option in schema.get("anyOf", []) if "$ref" in option]


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = escape(json.dumps(schema, indent=2))
    return (
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code> "
        f"{escape(schema.get('description', ''))}</summary><pre>{text}</pre></details>"
    )

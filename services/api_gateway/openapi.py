"""The OpenAPI document: the routes' own, plus frames and problems."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from services.api_gateway.problem import MEDIA_TYPE, Problem
from services.api_gateway.wire.events import event_adapter
from services.api_gateway.wire.frames import client_frame_adapter, server_frame_adapter

__all__ = ["describe", "operation_id"]

type Document = dict[str, Any]

_REF = "#/components/schemas/{model}"
_FRAMES: dict[str, tuple[TypeAdapter[Any], JsonSchemaMode]] = {
    "ServerFrame": (server_frame_adapter, "serialization"),
    "ClientFrame": (client_frame_adapter, "validation"),
    "Event": (event_adapter, "serialization"),
    "Problem": (TypeAdapter(Problem), "serialization"),
}
_PROBLEM_RESPONSE = {
    "description": "Why it failed.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
}
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """The name of the function that serves the route; unique by a test."""
    return route.name


def describe(app: FastAPI) -> Document:
    """The app's document; made once, then remembered."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        _add_frames(schemas)
        _tell_problems(document)
        for name in _FASTAPI_ERRORS:
            schemas.pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema


def _add_frames(schemas: Document) -> None:
    for name, (adapter, mode) in _FRAMES.items():
        schema = adapter.json_schema(mode=mode, ref_template=_REF)
        for inner, definition in schema.pop("$defs", {}).items():
            schemas.setdefault(inner, definition)
        schemas[name] = schema


def _tell_problems(document: Document) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM_RESPONSE

"""A strict JSON Schema of a chart's values, and of the settings among them.

What is not in values.yaml is refused, so that a misspelt value is. Settings of a
service are those of its `Config`: types, bounds and choices are taken from there.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any, Final

from libs.toolchain.chart_values import Value
from libs.toolchain.paths import ROOT, VENV_BIN

__all__ = ["SETTINGS", "SettingsClass", "values_schema"]

type Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_CIDR: Final = (
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}"
    r"|[0-9a-fA-F:]*:[0-9a-fA-F:.]*/[0-9]{1,3})$"
)
_TYPES: Final[dict[str, Schema]] = {
    "name": {"type": "string", "pattern": r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"},
    "network": {"type": "string", "pattern": _CIDR},
    "object": {"type": "object"},
    "objects": {"type": "array", "items": {"type": "object"}},
    "peers": {
        "type": "array",
        "items": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "ipBlock": {"type": "object", "required": ["cidr"]},
                "namespaceSelector": {"type": "object"},
                "podSelector": {"type": "object"},
            },
        },
    },
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "quantity": {
        "type": "string",
        "pattern": r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$",
    },
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
}
_KEPT: Final = (
    "type",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
)


class SettingsClass:
    """The `Config` of a service, and the fields of it that its chart decides."""

    def __init__(self, module: str, *decided: str) -> None:
        self.module = module
        self.decided = frozenset(decided)

    def schema(self) -> Schema:
        """Ask the service for the JSON Schema of its settings."""
        program = (
            f"import json; from {self.module} import Config;"
            " print(json.dumps(Config.model_json_schema()))"
        )
        printed = subprocess.run(
            [VENV_BIN / "python", "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        schema: Schema = json.loads(printed)
        return schema


SETTINGS: Final[Mapping[str, SettingsClass]] = {
    "api-gateway": SettingsClass(
        "services.api_gateway.config",
        "host",
        "port",
        "metrics_port",
        "external_url",
        "database_path",
        "page_directory",
        "orchestrator_addresses",
        "orchestrator_token_file",
    ),
    "orchestrator": SettingsClass(
        "services.orchestrator.config",
        "host",
        "port",
        "metrics_host",
        "metrics_port",
        "token_file",
        "allow_unauthenticated",
        "model_networks",
        "crew_source_address",
        "crew_token_file",
        "bootstrap_file",
        "state_directory",
        "node",
        "credentials",
        "credentials_directory",
    ),
    "operator": SettingsClass(
        "services.operator.config",
        "host",
        "port",
        "metrics_host",
        "metrics_port",
        "token_file",
        "allow_unauthenticated",
        "packages_directory",
        "namespace",
        "watch_namespaces",
        "lease_name",
        "fleet_service",
        "bootstrap_config_map",
        "credentials",
    ),
}
"""By chart."""


def values_schema(
    chart: str, values: Iterable[Value], shared: Value, subcharts: Iterable[str] = ()
) -> Schema:
    """Return the schema of a chart's values; `shared` is the umbrella's `global`.

    Raises SystemExit when values and settings do not fit each other.
    """
    properties = {
        value.name: _schema_of(chart, shared if value.name == "global" else value)
        for value in values
    }
    # Helm puts the values of dependencies there, even of a library.
    for name in subcharts:
        properties.setdefault(name, {"type": "object"})
    properties.setdefault("global", _schema_of(chart, shared))
    told = json.dumps(properties)
    used = {name: held for name, held in _TYPES.items() if f'/{name}"' in told}
    return {"$schema": _DIALECT, **_object(properties), "$defs": used}


def _schema_of(chart: str, value: Value) -> Schema:
    if value.schema == "settings":
        return _settings_schema(chart, value)
    if value.children:
        return _object(
            {child.name: _schema_of(chart, child) for child in value.children}
        )
    return _described(value, _merged(_type_of(value), _written(value.schema)))


def _type_of(value: Value) -> Schema:
    match value.default:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "items": {"type": "string"}}
        case _ if value.schema is not None:
            return {}
        case _:
            message = f"{'.'.join(value.path)}: say what it holds by `# @schema`"
            raise SystemExit(message)


def _settings_schema(chart: str, settings: Value) -> Schema:
    known = SETTINGS[chart]
    whole = known.schema()
    open_fields = {
        name: field
        for name, field in whole["properties"].items()
        if name not in known.decided
    }
    return _settings_group(settings, open_fields, whole.get("$defs", {}), known.module)


def _settings_group(
    group: Value, fields: Mapping[str, Schema], defs: Mapping[str, Schema], module: str
) -> Schema:
    by_name = {_camel(name): field for name, field in fields.items()}
    written = {child.name for child in group.children}
    if written != set(by_name):
        message = (
            f"{'.'.join(group.path)} and {module} differ in"
            f" {sorted(written ^ set(by_name))}"
        )
        raise SystemExit(message)
    properties: Schema = {}
    for child in group.children:
        field = _resolved(by_name[child.name], defs)
        if "properties" in field:
            below = _settings_group(child, field["properties"], defs, module)
            properties[child.name] = below
        else:
            bounds = _merged(_bounds(field, defs), _written(child.schema))
            properties[child.name] = _described(child, bounds)
    return _object(properties)


def _bounds(field: Schema, defs: Mapping[str, Schema]) -> Schema:
    """Say in few words what a field of a settings class may hold."""
    field = _resolved(field, defs)
    if str(field.get("format", "")).endswith("network"):
        return {"$ref": "#/$defs/network"}
    choices = [_bounds(choice, defs) for choice in field.get("anyOf", [])]
    kept = [choice for choice in choices if choice != {"type": "null"}]
    if choices and kept != choices:
        return _or_empty(kept[0])
    if kept:
        return kept[0]
    bounds: Schema = {name: field[name] for name in _KEPT if name in field}
    if "items" in field:
        bounds["items"] = _bounds(field["items"], defs)
    return bounds


def _or_empty(bounds: Schema) -> Schema:
    """An empty string stands for a setting that is not made."""
    if set(bounds) == {"type"}:
        return bounds
    return {"anyOf": [{"const": ""}, bounds]}


def _resolved(field: Schema, defs: Mapping[str, Schema]) -> Schema:
    reference = field.get("$ref")
    return field if reference is None else defs[reference.rpartition("/")[2]]


def _written(schema: object) -> Schema:
    """What a values.yaml says by `@schema`, its short names spelt out."""
    if schema is None:
        return {}
    if not isinstance(schema, dict):
        return {"$ref": f"#/$defs/{schema}"}
    spelt_out = {key: _spelt_out(held) for key, held in schema.items()}
    if "$ref" in schema:
        # Not beside the rest, which validators of older drafts pass over.
        reference = {"$ref": f"#/$defs/{spelt_out.pop('$ref')}"}
        return {**spelt_out, "allOf": [reference]} if spelt_out else reference
    return spelt_out


def _spelt_out(held: object) -> object:
    match held:
        case dict():
            return _written(held)
        case list():
            return [_spelt_out(one) for one in held]
        case _:
            return held


def _merged(inferred: Schema, written: Schema) -> Schema:
    if {"$ref", "allOf"} & set(written):
        return written
    merged = {**inferred, **written}
    if "items" in inferred and "$ref" not in written.get("items", {"$ref": ""}):
        merged["items"] = {**inferred["items"], **written["items"]}
    return merged


def _described(value: Value, schema: Schema) -> Schema:
    if not value.description:
        message = f"{'.'.join(value.path)}: say what it is by a comment above it"
        raise SystemExit(message)
    return {"description": value.description, **schema}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)

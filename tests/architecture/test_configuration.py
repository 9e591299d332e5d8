"""What is documented of the settings is what the services read."""

import re
from pathlib import Path

import pytest

from libs.config import ServiceSettings, variable_names
from libs.supervisor.programs import GATEWAY, ORCHESTRATOR, VITE, Program
from services.api_gateway.config import Config as GatewayConfig
from services.orchestrator.config import Config as OrchestratorConfig
from tests.architecture.sources import lines_of

_SETTING = re.compile(r"^# (?P<name>VB_[A-Z0-9_]+)=(?P<value>.*)$")
_CONFIGS = (GatewayConfig, OrchestratorConfig)


def _example() -> dict[str, str]:
    matches = (_SETTING.match(line) for line in lines_of(Path(".env.example")))
    return {found["name"]: found["value"] for found in matches if found}


def test_the_example_names_every_setting_and_no_other() -> None:
    known = {name for config in _CONFIGS for name in variable_names(config)}

    assert set(_example()) == known | {VITE.variable}


def test_the_example_leaves_every_setting_at_its_default() -> None:
    assert [
        line
        for line in lines_of(Path(".env.example"))
        if line.strip() and not line.startswith("#")
    ] == []


@pytest.mark.parametrize("config", _CONFIGS)
def test_the_values_of_the_example_are_the_defaults(
    config: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set(variable_names(config))
    for name in names:
        monkeypatch.delenv(name, raising=False)
    defaults = config()

    for name, value in _example().items():
        if name in names and value:
            monkeypatch.setenv(name, value)

    assert config() == defaults


@pytest.mark.parametrize(
    ("program", "config"),
    [(GATEWAY, GatewayConfig), (ORCHESTRATOR, OrchestratorConfig)],
)
def test_the_supervisor_knows_the_ports_of_the_services(
    program: Program, config: type[ServiceSettings]
) -> None:
    prefix = config.model_config.get("env_prefix", "")
    fields = {f"{prefix}{name.upper()}": field for name, field in _fields(config)}

    assert {port.host_variable for port in program.ports} <= set(fields)
    assert {port.variable: port.default for port in program.ports} == {
        name: field for name, field in fields.items() if name.endswith("PORT")
    }


def _fields(config: type[ServiceSettings]) -> list[tuple[str, object]]:
    return [(name, field.default) for name, field in config.model_fields.items()]

"""The table of fields in the architecture's document lists exactly those there are."""

import re
from pathlib import Path

from libs.crewspec.documents import (
    SPECS,
    AllowedNamespaces,
    CredentialRef,
    EnvironmentNames,
    SecretRef,
    TaskSpec,
)
from libs.crewspec.rollout import Analysis, CanaryStep, Expectation, Probe, Rollout
from libs.crewspec.schema import Schema

_ROOT = Path(__file__).parents[3]
_TABLE = _ROOT / "docs" / "architecture" / "crews.md"
_FIELD = re.compile(r"`([A-Z]\w+\.\w+)`")
_TEST = re.compile(r"`(test_\w+\.py)` \|$")
_PARTS: tuple[type[Schema], ...] = (
    *(AllowedNamespaces, CredentialRef, EnvironmentNames, SecretRef),
    *(Analysis, CanaryStep, Expectation, Probe, Rollout),
)


def test_the_table_names_every_field_and_tests_that_exist() -> None:
    _, _, table = _TABLE.read_text("utf-8").partition("\n## Fields\n")
    rows = [line for line in table.splitlines() if _FIELD.search(line)]
    models: dict[str, type[Schema]] = {
        **{kind.value: spec for kind, spec in SPECS.items()},
        **{part.__name__: part for part in _PARTS},
        "Task": TaskSpec,
    }
    fields = {
        f"{name}.{field.alias}"
        for name, model in models.items()
        for field in model.model_fields.values()
    }
    named = [name for row in rows for name in _FIELD.findall(row)]
    assert set(named) == fields
    assert len(named) == len(fields)
    tests = {
        path.name for path in _ROOT.rglob("test_*.py") if ".venv" not in path.parts
    }
    assert {name for row in rows for name in _TEST.findall(row)} <= tests
    assert all(_TEST.search(row) for row in rows)

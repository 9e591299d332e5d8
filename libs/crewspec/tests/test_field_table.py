"""The table of fields in `configs/README.md` lists exactly the fields there are."""

import re
from pathlib import Path

from libs.crewspec.documents import SPECS, Spec, TaskSpec

_ROOT = Path(__file__).parents[3]
_FIELD = re.compile(r"`([A-Z]\w+\.\w+)`")
_TEST = re.compile(r"`(test_\w+\.py)` \|$")


def test_the_table_names_every_field_and_tests_that_exist() -> None:
    rows = [
        line
        for line in (_ROOT / "configs" / "README.md").read_text("utf-8").splitlines()
        if _FIELD.search(line)
    ]
    kinds: dict[str, type[Spec | TaskSpec]] = {
        **{kind.value: spec for kind, spec in SPECS.items()},
        "Task": TaskSpec,
    }
    fields = {
        f"{kind}.{field.alias}"
        for kind, spec in kinds.items()
        for field in spec.model_fields.values()
    }
    assert {name for row in rows for name in _FIELD.findall(row)} == fields
    tests = {
        path.name for path in _ROOT.rglob("test_*.py") if ".venv" not in path.parts
    }
    assert {name for row in rows for name in _TEST.findall(row)} <= tests
    assert all(_TEST.search(row) for row in rows)

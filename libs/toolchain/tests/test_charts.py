"""Schemas and tables follow from values.yaml, which has to say what it holds."""

from pathlib import Path

import pytest

from libs.toolchain.chart_schema import values_schema
from libs.toolchain.chart_values import Value, read_values


def _values(tmp_path: Path, text: str) -> tuple[Value, ...]:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    return read_values(path)


def test_a_comment_describes_the_key_below_it_and_bounds_it(tmp_path: Path) -> None:
    (group,) = _values(
        tmp_path,
        "# Said of something else.\n\n"
        "group:\n"
        "  # How many,\n"
        "  # in all.\n"
        '  # @schema {"minimum": 1}\n'
        "  number: 2\n",
    )
    (number,) = group.children
    assert group.description == ""
    assert number.path == ("group", "number")
    assert number.description == "How many, in all."
    assert number.schema == {"minimum": 1}
    assert number.default == 2
    assert list(group.leaves()) == [number]


def test_what_is_not_there_is_refused_and_types_are_those_of_the_defaults(
    tmp_path: Path,
) -> None:
    values = _values(
        tmp_path,
        "# A.\nname: a\n# B.\nis_on: true\n# C.\nnames: []\n"
        '# D.\n# @schema "peers"\npeers: []\n'
        "# All.\nglobal:\n  # E.\n  size: 1\n",
    )
    schema = values_schema("some", values, values[-1], ["library"])
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["name"] == {"description": "A.", "type": "string"}
    assert properties["is_on"]["type"] == "boolean"
    assert properties["names"]["items"] == {"type": "string"}
    assert properties["peers"]["$ref"] == "#/$defs/peers"
    assert properties["global"]["additionalProperties"] is False
    assert properties["library"] == {"type": "object"}
    assert set(schema["$defs"]) == {"peers"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("silent: 1\n", "silent: say what it is"),
        ("# A map.\nopen: {}\n", "open: say what it holds"),
        (
            '# S.\n# @schema "settings"\nsettings:\n  # T.\n  toolThread: 3\n',
            "'toolThread'",
        ),
    ],
)
def test_values_that_say_too_little_are_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    values = _values(tmp_path, text)
    with pytest.raises(SystemExit, match=told):
        values_schema("orchestrator", values, values[0])

"""The part of JSON Schema that steps may use: strict, small, never surprised."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.crewspec.documents import CrewSpec
from libs.crewspec.output_schema import OutputSchema, ValueType
from libs.crewspec.revision import revision_digest
from libs.crewspec.tests.documents_of import VALID, changed, load
from libs.crewspec.validator import validate

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=10,
)
_KEYWORDS = st.fixed_dictionaries(
    {"type": st.sampled_from([kind.value for kind in ValueType])},
    optional={
        "required": st.lists(st.sampled_from("abc"), max_size=2),
        "enum": st.lists(st.text(min_size=1, max_size=3), max_size=2),
        "minLength": st.integers(0, 5),
        "maxItems": st.integers(0, 5),
        "minimum": st.integers(-5, 5),
    },
)
_SCHEMAS = st.recursive(
    _KEYWORDS,
    lambda inner: st.builds(
        lambda schema, properties, items: {
            **schema,
            **({"properties": properties} if schema["type"] == "object" else {}),
            **({"items": items} if schema["type"] == "array" else {}),
        },
        _KEYWORDS,
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        inner,
    ),
    max_leaves=6,
)


@given(_SCHEMAS, _VALUES)
@settings(max_examples=150, deadline=None)
def test_any_value_fits_a_schema_or_is_told_why_not(
    written: dict[str, Any], value: object
) -> None:
    try:
        schema = OutputSchema.model_validate(written)
    except ValidationError:
        return
    problems = schema.problems(value)
    assert len(problems) <= 10
    assert all(problem.startswith("$") for problem in problems)
    assert schema.as_json_schema()["type"] == written["type"]


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth - 1):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"type": "string", "items": {"type": "string"}}, "items: not for type string"),
        ({"type": "object", "required": ["a"]}, "required, but no property: a"),
        ({"type": "string", "pattern": "(a+)+$"}, "Extra inputs"),
        ({"$ref": "http://10.0.0.1/schema"}, "Extra inputs"),
        ({"type": "null"}, "Input should be 'object'"),
        ({"type": "number", "minimum": 0.5}, "valid integer"),
        (_nested(9), "nested more than 8 deep"),
        (_nested(200), "nested more than 8 deep"),
    ],
)
def test_what_is_not_in_the_part_is_refused(
    written: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=r"(?s).*") as caught:
        OutputSchema.model_validate(written)
    assert message in str(caught.value)


def test_numbers_that_are_none_do_not_slip_through_bounds() -> None:
    bounded = OutputSchema.model_validate({"type": "number", "minimum": 1})
    assert bounded.problems(float("nan"))
    assert bounded.problems(True)
    assert not bounded.problems(1.5)


_SCHEMA = "output: Internal\n      outputSchema: {type: object, required: [a]}"


def test_a_mistake_in_a_schema_is_told_where_it_stands() -> None:
    text = changed("output: Internal", _SCHEMA)
    line = text[: text.index("outputSchema")].count("\n") + 1
    (found,) = validate(load(text))
    assert str(found) == (
        f"crews.yaml:{line}: $.spec.tasks[0].outputSchema: required, but no property: a"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("suggestions: true", "outputRef: notes", "a Reply is talk"),
        (
            "output: Internal",
            "output: Internal\n      outputRef: x\n      outputSchema: {type: string}",
            "give either outputSchema or outputRef",
        ),
    ],
)
def test_a_schema_belongs_to_one_inner_task(old: str, new: str, message: str) -> None:
    assert message in str(validate(load(changed(old, new)))[0])


def test_a_schema_is_in_the_digest_and_its_absence_is_not() -> None:
    crew = load(VALID).crews["coaching"].spec
    agents = {"coach": load(VALID).agents["coach"].spec}
    plain = revision_digest(crew, agents)
    task = crew.tasks[0].model_copy(
        update={"output_schema": OutputSchema.model_validate({"type": "boolean"})}
    )
    shaped: CrewSpec = crew.model_copy(update={"tasks": (task, crew.tasks[1])})
    assert revision_digest(shaped, agents) != plain
    task = task.model_copy(update={"output_schema": None})
    same = crew.model_copy(update={"tasks": (task, crew.tasks[1])})
    assert revision_digest(same, agents) == plain

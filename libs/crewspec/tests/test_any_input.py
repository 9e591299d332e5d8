"""Whatever is written into a document, the answer is a diagnostic."""

import string
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.crewspec.compiler import InvalidDocumentsError, compile_set
from libs.crewspec.packages import AgentPackage
from libs.crewspec.tests.documents_of import VALID, load
from libs.crewspec.validator import validate

_DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(VALID))
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.dates()
    | st.sampled_from(["coach", "default", "think", "{message}", "https://a b:x/"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(
    value: object, path: tuple[str | int, ...] = ()
) -> list[tuple[str | int, ...]]:
    """List every place in nested data."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, (*path, index))
    return found


def check(text: str) -> None:
    """Load, validate and compile; nothing but diagnostics may come of it."""
    documents = load(text)
    diagnostics = validate(
        documents, {"coaching": AgentPackage(frozenset({"look_up"}))}
    )
    assert all(diagnostic.line >= 1 for diagnostic in diagnostics)
    with suppress(InvalidDocumentsError):
        compile_set(documents, default_model="simulated", environment={})


@given(st.text(max_size=200))
@settings(max_examples=80, deadline=None)
def test_any_text(text: str) -> None:
    check(text)


@given(st.text(alphabet=string.ascii_letters + " \n:-{}[]&*!|>'\"#%@,", max_size=80))
@settings(max_examples=80, deadline=None)
def test_anything_like_yaml(text: str) -> None:
    check(text)


@given(st.data(), _VALUES)
@settings(max_examples=80, deadline=None)
def test_any_value_in_any_place(data: st.DataObject, value: object) -> None:
    documents = yaml.safe_load(yaml.safe_dump(_DOCUMENTS))
    path = data.draw(st.sampled_from(places(documents)[1:]))
    parent: Any = documents
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value
    check(yaml.safe_dump_all(documents, allow_unicode=False))

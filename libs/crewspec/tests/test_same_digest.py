"""The same set, however it is written down, compiles to the same."""

import json
import random
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.crewspec.compiler import CompiledSet, compile_set
from libs.crewspec.loader import load_texts
from libs.crewspec.tests.documents_of import VALID

_DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(VALID))
_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40
).filter(lambda text: text.strip() and "{" not in text)


def compiled(texts: dict[str, str]) -> CompiledSet:
    """Compile texts by file name."""
    return compile_set(load_texts(texts), default_model="simulated", environment={})


def shuffled(value: Any, rng: random.Random) -> Any:
    """Put the keys of all mappings in another order."""
    match value:
        case dict():
            keys = list(value)
            rng.shuffle(keys)
            return {key: shuffled(value[key], rng) for key in keys}
        case list():
            return [shuffled(item, rng) for item in value]
        case _:
            return value


def written(document: dict[str, Any], rng: random.Random) -> str:
    """Write a document in one of the ways YAML has."""
    match rng.randrange(4):
        case 0:
            return json.dumps(document)
        case 1:
            return json.dumps(document, indent=3, ensure_ascii=False)
        case 2:
            return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
        case _:
            return str(yaml.safe_dump(document, default_flow_style=True, width=20))


@given(st.randoms(use_true_random=False), _TEXT, _TEXT)
@settings(max_examples=60, deadline=None)
def test_order_files_and_style_mean_nothing(
    rng: random.Random, goal: str, role: str
) -> None:
    documents = json.loads(json.dumps(_DOCUMENTS))
    agent = next(document for document in documents if document["kind"] == "Agent")
    agent["spec"]["goal"] = goal
    agent["spec"]["role"] = " ".join(role.split())
    plain = compiled({"a.yaml": yaml.safe_dump_all(documents, allow_unicode=True)})
    other = shuffled(documents, rng)
    rng.shuffle(other)
    files: dict[str, str] = {}
    for document in other:
        name = f"{rng.randrange(4)}.yaml"
        files[name] = f"{files.get(name, '')}---\n{written(document, rng)}\n"
    assert compiled(files) == plain

"""What lies in k8s/samples is valid, alone and beside a release."""

from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from libs.crewspec.loader import load_objects
from libs.crewspec.packages import read_packages
from libs.crewspec.validator import validate
from libs.toolchain.charts import CHARTS
from libs.toolchain.paths import ROOT
from tests.manifests.rendering import CREWS_API, DEVELOPMENT, Manifest, render

_HOME = "venturebots"
_GROUP_VERSION = CREWS_API.rpartition("/")[0]
_SAMPLES = ROOT / "k8s" / "samples"


def _resources(name: str) -> list[Manifest]:
    documents = yaml.safe_load_all((_SAMPLES / name).read_text())
    return [one for one in documents if one["apiVersion"] == _GROUP_VERSION]


_NAMES = sorted(path.name for path in _SAMPLES.iterdir() if _resources(path.name))


@cache
def _validator(kind: str) -> Draft202012Validator:
    for chart in (CHARTS / "venturebots-crds" / "templates").glob("*.yaml"):
        definition: Any = yaml.safe_load(chart.read_text())
        if definition["spec"]["names"]["kind"] == kind:
            (version,) = definition["spec"]["versions"]
            schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
            return Draft202012Validator(_strict(schema))
    raise LookupError(kind)


def _strict(schema: Any) -> Any:
    """Refuse what a structural schema does not name, as the API server does."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(held) for key, held in schema.items()}
    if isinstance(schema.get("properties"), dict):
        strict.setdefault("additionalProperties", False)
    return strict


def test_there_are_samples_of_crews_and_of_models() -> None:
    kinds = {one["kind"] for name in _NAMES for one in _resources(name)}
    assert kinds >= {"Agent", "Crew", "GuardrailPolicy", "ModelProvider"}


@pytest.mark.parametrize("name", _NAMES)
def test_a_sample_fits_its_definition(name: str) -> None:
    for one in _resources(name):
        errors = [
            (error.json_path, error.message)
            for error in _validator(one["kind"]).iter_errors(one["spec"])
        ]
        assert errors == [], one["metadata"]["name"]


@pytest.mark.parametrize("name", _NAMES)
def test_a_sample_is_sound_beside_a_release(name: str) -> None:
    objects = [
        {**one, "metadata": {"namespace": _HOME, **one["metadata"]}}
        for one in (*render(DEVELOPMENT).objects, *_resources(name))
        if one["apiVersion"] == _GROUP_VERSION
    ]
    loaded = load_objects(objects, home=_HOME)
    assert validate(loaded, read_packages(ROOT / "services" / "agents")) == []


def test_a_misspelt_field_would_be_found() -> None:
    (model,) = _resources("openai.yaml")
    spec = {**model["spec"], "endpiont": "https://api.openai.com"}
    assert not _validator("ModelProvider").is_valid(spec)

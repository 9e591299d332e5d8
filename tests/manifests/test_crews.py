"""The crews that a release brings are those of configs/, and roll out as it says."""

import pytest

from libs.crewspec.loader import DocumentSet, load_directory, load_objects
from libs.crewspec.packages import read_packages
from libs.crewspec.revision import revision_digest
from libs.crewspec.validator import validate
from libs.toolchain.default_crews import CONFIGS, default_crews
from libs.toolchain.paths import ROOT
from tests.manifests.rendering import (
    CREWS_API,
    DEVELOPMENT,
    EVERYTHING,
    UMBRELLA,
    Manifest,
    RefusedError,
    Rendering,
    Values,
    render,
)

_PACKAGES = read_packages(ROOT / "services" / "agents")


def _resources(rendering: Rendering) -> list[Manifest]:
    return [
        one
        for one in rendering.objects
        if one["apiVersion"] == CREWS_API.rpartition("/")[0]
    ]


def _loaded(rendering: Rendering) -> DocumentSet:
    objects = [
        {**one, "metadata": {"name": one["metadata"]["name"], "namespace": "coach"}}
        for one in _resources(rendering)
    ]
    return load_objects(objects, home="coach")


def _digests(documents: DocumentSet) -> dict[str, str]:
    agents = {name: agent.spec for name, agent in documents.agents.items()}
    return {
        name: revision_digest(
            crew.spec, {task.agent: agents[task.agent] for task in crew.spec.tasks}
        )
        for name, crew in documents.crews.items()
    }


def test_crews_of_a_release_are_sound_and_have_the_digests_of_configs() -> None:
    loaded = _loaded(render(DEVELOPMENT))
    assert validate(loaded, _PACKAGES) == []
    assert _digests(loaded) == _digests(load_directory(CONFIGS))
    assert set(loaded.models) == {"simulated"}


def test_live_documents_of_a_release_say_what_those_of_configs_say() -> None:
    loaded, configs = _loaded(render(DEVELOPMENT)), load_directory(CONFIGS)
    for told, meant in (
        (loaded.tools, configs.tools),
        (loaded.policies, configs.policies),
    ):
        specs = {name: one.spec for name, one in told.items()}
        assert specs == {name: one.spec for name, one in meant.items()}
    simulated = configs.models["simulated"].spec
    assert loaded.models["simulated"].spec == simulated


def test_files_of_the_chart_are_what_configs_make() -> None:
    folder = UMBRELLA / "files" / "crews"
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == default_crews(CONFIGS)


def test_crews_are_plain_objects_that_stay_when_the_release_goes() -> None:
    for one in _resources(render(EVERYTHING)):
        assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    for one in _resources(render(DEVELOPMENT | {"crews": {"keep": False}})):
        assert "annotations" not in one["metadata"]


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ({}, [10, 50, 100]),
        ({"rollout": {"steps": []}}, []),
        ({"rollout": {"steps": [{"weight": 100}], "autoRollback": False}}, [100]),
    ],
)
def test_a_changed_crew_reaches_founders_step_by_step(
    values: Values, weights: list[int]
) -> None:
    crews = render(DEVELOPMENT | {"crews": values}).of_kind("Crew")
    assert sorted(crews) == ["coaching", "welcome"]
    for crew in crews.values():
        rollout = crew["spec"]["rollout"]
        assert [step["weight"] for step in rollout["steps"]] == weights
        assert rollout.get("autoRollback") == values.get("rollout", {}).get(
            "autoRollback"
        )


def test_crews_can_be_left_to_others() -> None:
    (model,) = _resources(render(EVERYTHING | {"crews": {"enabled": False}}))
    assert (model["kind"], model["metadata"]["name"]) == ("ModelProvider", "openai")


def test_models_of_the_values_are_resources_of_the_release() -> None:
    rendering = render(EVERYTHING)
    assert sorted(rendering.of_kind("ModelProvider")) == ["openai", "simulated"]
    told = rendering.one("ModelProvider", "openai")["spec"]
    assert told == EVERYTHING["models"]["openai"]
    assert validate(_loaded(rendering), _PACKAGES) == []


@pytest.mark.parametrize("profile", ["dev", "staging", "production"])
def test_the_model_that_a_profile_chooses_is_there(profile: str) -> None:
    rendering = render(files=[profile])
    config = rendering.one("ConfigMap", "vb-orchestrator")["data"]
    chosen = config["VB_ORCHESTRATOR_DEFAULT_MODEL"]
    assert chosen in rendering.of_kind("ModelProvider")
    assert validate(_loaded(rendering), _PACKAGES) == []


def test_a_cluster_that_does_not_know_crews_is_told_what_to_run() -> None:
    with pytest.raises(RefusedError) as refused:
        render(DEVELOPMENT, knows_crews=False)
    told = str(refused.value)
    assert "helm upgrade --install venturebots-crds charts/venturebots-crds" in told
    assert f"--api-versions {CREWS_API}" in told


def test_who_only_renders_may_say_that_crews_are_known() -> None:
    told = DEVELOPMENT | {"crews": {"assumeDefined": True}}
    assert render(told, knows_crews=False) == render(DEVELOPMENT)

"""What deploys the services knows all of them, in the same versions."""

import re
from pathlib import Path

import yaml

from tests.architecture.sources import files, text_of

_SKAFFOLD = Path("skaffold.yaml")
_TOOLS = Path("tests/cluster/testbed/lib/tools.sh")
_EXACT = re.compile(r"^[\w./-]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?$")


def _services() -> dict[str, str]:
    """Tell the Dockerfile of every service, by the service's name in deployments."""
    return {
        path.parent.name.replace("_", "-"): str(path)
        for path in files()
        if path.name == "Dockerfile"
    }


def test_skaffold_builds_and_installs_every_image() -> None:
    skaffold = yaml.safe_load(text_of(_SKAFFOLD))
    artifacts = skaffold["build"]["artifacts"]
    definitions, release = skaffold["deploy"]["helm"]["releases"]

    assert {each["image"]: each["docker"]["dockerfile"] for each in artifacts} == {
        f"venturebots/{name}": file for name, file in _services().items()
    }
    # What crews are comes before crews.
    assert definitions["chartPath"] == "charts/venturebots-crds"
    assert release["chartPath"] == "charts/venturebots"
    for name in _services():
        variable = f"venturebots_{name.replace('-', '_')}"
        templates = release["setValueTemplates"]
        assert (
            templates[f"{name}.image.repository"] == f"{{{{.IMAGE_REPO_{variable}}}}}"
        )
        assert templates[f"{name}.image.tag"] == f"{{{{.IMAGE_TAG_{variable}}}}}"


def test_compose_builds_every_image() -> None:
    services = yaml.safe_load(text_of(Path("docker-compose.yml")))["services"]

    assert {
        name: service["build"]["dockerfile"]
        for name, service in services.items()
        if "build" in service
    } == _services()


def test_the_umbrella_chart_has_every_service() -> None:
    chart = yaml.safe_load(text_of(Path("charts/venturebots/Chart.yaml")))
    names = {dependency["name"] for dependency in chart["dependencies"]}

    assert names - {"vb-common"} == set(_services())


def test_kind_and_the_test_cluster_have_the_same_versions() -> None:
    tools = text_of(_TOOLS)
    controller = text_of(Path("k8s/gateway/traefik.yaml"))
    definitions = text_of(Path("k8s/kind/gateway-api/kustomization.yaml"))

    [traefik] = re.findall(r"image: traefik:(\S+)", controller)
    assert f"traefik/v3@{traefik} " in tools
    [gateway_api] = re.findall(r"/download/(v[\d.]+)/", definitions)
    assert f"gateway-api@{gateway_api}\n" in tools


def test_images_of_others_are_named_by_an_exact_tag() -> None:
    named = [
        (str(path), image)
        for path in files()
        if path.parts[0] == "k8s" and path.suffix == ".yaml"
        for image in re.findall(r"\bimage: (\S+)", text_of(path))
    ]

    assert named
    assert [each for each in named if not _EXACT.match(each[1])] == []

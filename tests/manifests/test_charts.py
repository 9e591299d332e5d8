"""The charts as charts: sound by Helm's own lights, alike in every line of Helm."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from libs.testing.stack import Stack
from libs.toolchain.charts import CHARTS
from tests.manifests.rendering import (
    ALL_APIS,
    DEVELOPMENT,
    EVERYTHING,
    FROM_FILES,
    UMBRELLA,
    Manifest,
    Values,
    installed_helms,
    render,
)

_PROFILES = ("dev", "staging", "production")
_CHARTS = sorted(path.parent.name for path in CHARTS.glob("*/Chart.yaml"))
_SCRIPT = UMBRELLA / "files" / "send_message.py"


def _about(chart: str) -> Manifest:
    about: Manifest = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text())
    return about


def test_there_are_profiles_and_charts() -> None:
    assert sorted(path.stem for path in UMBRELLA.glob("values-*.yaml")) == sorted(
        f"values-{profile}" for profile in _PROFILES
    )
    named = "api-gateway frontend operator orchestrator vb-common venturebots"
    assert [*named.split(), "venturebots-crds"] == _CHARTS


@pytest.mark.parametrize("chart", _CHARTS)
def test_every_chart_repeats_the_versions(chart: str) -> None:
    about, umbrella = _about(chart), _about("venturebots")
    assert about["kubeVersion"] == umbrella["kubeVersion"]
    assert about["version"] == umbrella["version"]
    assert about.get("appVersion", umbrella["appVersion"]) == umbrella["appVersion"]


@pytest.mark.parametrize("chart", _CHARTS)
def test_dependencies_are_charts_of_ours_and_linked(chart: str) -> None:
    told = {one["name"]: one for one in _about(chart).get("dependencies", [])}
    folder = CHARTS / chart / "charts"
    linked = {path.name: path for path in folder.iterdir()} if folder.exists() else {}
    assert set(linked) == set(told)
    for name, path in linked.items():
        assert path.readlink() == Path("../..") / name
        condition = told[name].pop("condition", None)
        assert told[name] == {"name": name, "version": _about(name)["version"]}
        assert condition in {None, f"global.{name}.enabled"}


@pytest.mark.parametrize("profile", _PROFILES)
def test_helm_finds_nothing_to_say_about_a_profile(profile: str) -> None:
    values = UMBRELLA / f"values-{profile}.yaml"
    for helm in installed_helms().values():
        done = subprocess.run(
            [
                *(helm, "lint", "--strict", "--with-subcharts"),
                UMBRELLA,
                "--values",
                values,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_line_of_helm_renders_the_same() -> None:
    renderings = [
        render(EVERYTHING, apis=ALL_APIS, major=major) for major in installed_helms()
    ]
    assert all(rendering == renderings[0] for rendering in renderings)


@pytest.mark.parametrize(
    "chart", ["api-gateway", "frontend", "operator", "orchestrator"]
)
def test_a_service_can_be_rendered_alone(chart: str) -> None:
    alone = render({"global": EVERYTHING["global"]}, chart=CHARTS / chart)
    assert list(alone.of_kind("Deployment")) == [f"vb-{chart}"]


def test_the_notes_say_what_to_do_next(tmp_path: Path) -> None:
    notes = _notes(EVERYTHING, tmp_path)
    assert "Open https://coach.example.org" in notes
    assert "helm test vb --namespace coach" in notes
    assert "kubectl --namespace coach get crews" in notes
    assert "the cluster has no cert-manager.io/v1" in notes
    for name in ("api-gateway", "operator", "orchestrator"):
        assert f"{name}.serviceMonitor.enabled is true, but" in notes
    assert "operator.prometheusRule.enabled is true, but" in notes
    assert "a development token that stands in the" in notes
    assert "claim vb-api-gateway-data, which stays" in notes
    assert "the orchestrator may reach port 443 of any public address" in notes


def test_the_notes_trust_who_named_the_api_servers_address(tmp_path: Path) -> None:
    for number, models in enumerate(
        ({"enabled": False}, {"exceptNetworks": ["203.0.113.7/32"]})
    ):
        values = DEVELOPMENT | {"orchestrator": {"publicModels": models}}
        assert "any public address" not in _notes(values, tmp_path / str(number))


def test_the_notes_say_where_crews_come_from(tmp_path: Path) -> None:
    assert "documents in the orchestrator's image" in _notes(FROM_FILES, tmp_path)
    assert "orchestrator's image" not in _notes(DEVELOPMENT, tmp_path)


def _notes(values: Values, folder: Path) -> str:
    """Render the notes as an object's text: `helm template` leaves them out."""
    chart = folder / "venturebots"
    if not chart.exists():
        shutil.copytree(CHARTS, folder, symlinks=True, dirs_exist_ok=True)
        text = (chart / "templates" / "NOTES.txt").read_text()
        definition = f'{{{{- define "notes" }}}}{text}{{{{- end }}}}'
        (chart / "templates" / "_notes.tpl").write_text(definition)
        (chart / "templates" / "notes.yaml").write_text(
            "apiVersion: v1\nkind: Notes\nmetadata: {name: notes}\n"
            'text: {{ include "notes" . | toJson }}\n'
        )
    told: str = render(values, chart=chart).one("Notes", "notes")["text"]
    return told


async def test_the_chat_test_sends_a_message_and_reads_the_reply(
    tmp_path: Path,
) -> None:
    async with Stack(tmp_path, tokens_per_second=2_000) as stack:
        done = _chat(stack.url)
        assert done.returncode == 0, done.stderr
        assert "a reply of" in done.stdout
    done = _chat(stack.url)
    assert done.returncode == 1
    assert "failed" in done.stderr


def _chat(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, _SCRIPT],
        env={
            "VB_TEST_URL": url,
            "VB_TEST_TEXT": "I copy invoices by hand.",
            "VB_TEST_SECONDS": "60",
        },
        capture_output=True,
        text=True,
        check=False,
    )

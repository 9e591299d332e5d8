"""The runbook's commands, as they stand there, from installing to uninstalling."""

import re
from pathlib import Path

import httpx
import pytest

from libs.testing.client import FounderClient
from libs.toolchain.paths import ROOT
from tests.cluster.kubernetes import Release
from tests.cluster.test_smoke import answers_through_ingress
from tests.documents import Runner, blocks

pytestmark = pytest.mark.timeout(1500)

_RUNBOOK = Path("docs/runbooks/kubernetes.md")
# The namespace and the host are the test's own, and the context is named.
_SHELL = """
set -euo pipefail
kubectl() { command kubectl --context "$VB_CLUSTER_CONTEXT" "$@"; }
helm() { command helm --kube-context "$VB_CLUSTER_CONTEXT" "$@"; }
"""


class _Runbook:
    """The blocks of the runbook, run in their order."""

    def __init__(self, release: Release, folder: Path) -> None:
        (folder / "charts").symlink_to(ROOT / "charts")
        self._release = release
        self._folder = folder
        self._blocks = [
            block.body for block in blocks(Runner.CLUSTER) if block.path == _RUNBOOK
        ]

    def run_next(self, holding: str) -> str:
        """Run the next block, which is the one that holds some words."""
        body = self._blocks.pop(0)
        assert holding in body
        body = body.replace("kubectl create namespace venturebots\n", "")
        own = f"namespace {self._release.namespace}"
        body = re.sub(r"namespace venturebots\b(?!-)", own, body)
        body = body.replace("http://coach.example.org", self._release.url)
        body = body.replace("ports: [6443]", f"ports: [{_api_port(self._release)}]")
        script = f"cd {self._folder}\n{_SHELL}{body}"
        return self._release.kubernetes.run("bash", stdin=script).stdout

    @property
    def is_done(self) -> bool:
        """Whether every block was run."""
        return not self._blocks


def _api_port(release: Release) -> int:
    """Where the API server listens, behind its Service."""
    slice_ = release.kubernetes.object(
        "endpointslice", "kubernetes", namespace="default"
    )
    port: int = slice_["ports"][0]["port"]
    return port


async def test_the_runbook_does_what_it_says(
    empty_release: Release, tmp_path: Path
) -> None:
    release, runbook = empty_release, _Runbook(empty_release, tmp_path)
    told = runbook.run_next("helm install")
    assert "a reply of" in told
    answers_through_ingress(release)

    async with await FounderClient.arrive(release.url) as founder:
        kept = await founder.create_session()
        runbook.run_next("helm upgrade")
        answers_through_ingress(release)
        copied = runbook.run_next("backup")
        assert "bytes, checked" in copied
        lost = await founder.create_session()

        restored = runbook.run_next("restore")

        assert "restored from /backups/venturebots-" in restored
        assert "what was there before" in restored
        answers_through_ingress(release)
        assert await founder.messages(kept["session_id"]) == []
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            await founder.messages(lost["session_id"])
    runbook.run_next("get venturebots")
    runbook.run_next("/approve=true")
    runbook.run_next("/rollback-to=")
    runbook.run_next("helm uninstall")
    assert runbook.is_done

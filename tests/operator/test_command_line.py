"""`vb` beside a real operator: what it asks for happens."""

import asyncio
import sys
from typing import Any

from libs.toolchain.paths import ROOT
from tests.operator.bench import Bench
from tests.operator.played_orchestrator import PlayedOrchestrator

_PROBES = [{"name": "greets", "expect": {"contains": ["founder"]}}]
_ROLLOUT: dict[str, Any] = {
    "probes": _PROBES,
    "steps": [{"weight": 10, "requireApproval": True}, {"weight": 100}],
}


async def _vb(bench: Bench, command: str, *words: str) -> tuple[int, str]:
    """Run a command on the bench's namespace; return its exit code and output."""
    where = ("--kubeconfig", str(bench.api.kubeconfig("admin")))
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.cli", "crews", command, *words),
        *(*where, "--namespace", bench.namespace),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await running.communicate()
    assert running.returncode is not None
    return running.returncode, told.decode()


async def test_a_roll_out_is_approved_taken_back_and_given_up(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching", rollout=_ROLLOUT)
    replica = await bench.replica()
    async with PlayedOrchestrator("o1", [replica.address]):
        first = await bench.until_ready("coaching")
        code, told = await _vb(bench, "list")
        assert (code, "1/1" in told, first["stableRevision"] in told) == (0, True, True)

        bench.crew("coaching", prompt="Answer briefly.", rollout=_ROLLOUT)
        await bench.until_status("coaching", lambda told: told["canaryWeight"] == 10)
        code, told = await _vb(bench, "history", "coaching")
        assert (code, told.count("candidate 10 %")) == (0, 1)

        assert (await _vb(bench, "approve", "coaching"))[0] == 0
        await bench.until_status("coaching", lambda told: told["canaryWeight"] == 100)
        assert (await _vb(bench, "approve", "coaching"))[0] == 0
        second = await bench.until_ready("coaching")
        assert second["stableDigest"] != first["stableDigest"]
        assert (await _vb(bench, "approve", "coaching"))[0] == 1

        name = first["stableRevision"]
        assert (await _vb(bench, "rollback", "coaching", name))[0] == 0
        await bench.until_status(
            "coaching", lambda told: told["stableDigest"] == first["stableDigest"]
        )

        bench.crew("coaching", prompt="Answer at length.", rollout=_ROLLOUT)
        await bench.until_status("coaching", lambda told: told["canaryWeight"] == 10)
        assert (await _vb(bench, "abort", "coaching"))[0] == 0
        await bench.until_status("coaching", lambda told: told["phase"] == "RolledBack")


async def test_a_crew_is_paused_and_goes_on(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching")
    replica = await bench.replica()
    async with PlayedOrchestrator("o1", [replica.address]):
        first = await bench.until_ready("coaching")
        assert (await _vb(bench, "pause", "coaching"))[0] == 0
        await bench.until_status("coaching", lambda told: told["phase"] == "Paused")
        bench.crew("coaching", prompt="Answer briefly.")
        paused = await bench.until_status(
            "coaching", lambda told: told["newestDigest"] != first["newestDigest"]
        )
        assert paused["stableDigest"] == first["stableDigest"]
        assert "paused" in (await _vb(bench, "list"))[1]
        assert (await _vb(bench, "resume", "coaching"))[0] == 0
        await bench.until_ready("coaching")


async def test_probes_are_run_on_request(bench: Bench) -> None:
    bench.fleet("o1")
    bench.agent()
    bench.crew("coaching", rollout={"probes": _PROBES})
    bench.crew("unproven")
    replica = await bench.replica()
    async with PlayedOrchestrator("o1", [replica.address]) as orchestrator:
        ready = await bench.until_ready("coaching")
        await bench.until_ready("unproven")
        code, told = await _vb(bench, "probe", "coaching")
        assert (code, "1 of 1 probes passed" in told) == (0, True)
        orchestrator.reply = "Hello, customer."
        code, told = await _vb(bench, "probe", "coaching")
        assert (code, "does not contain 'founder'" in told) == (1, True)
        assert bench.status("coaching")["stableDigest"] == ready["stableDigest"]
        code, told = await _vb(bench, "probe", "unproven")
        assert (code, "did not take that up" in told) == (1, True)

"""The stage runner, with small programs as stages."""

import sys
import tempfile
from pathlib import Path

import pytest

from libs.toolchain.stage_table import (
    AFTERWARDS,
    SIDE_BY_SIDE,
    Command,
    Readiness,
    Stage,
)
from libs.toolchain.stages import Outcome, Result, figures, run_stage, table


def _python(code: str) -> Command:
    return Command((sys.executable, "-c", code))


async def test_a_stage_ends_at_the_first_command_that_fails() -> None:
    stage = Stage("probe", (_python("raise SystemExit(3)"), _python("print('never')")))

    with tempfile.TemporaryFile() as log:
        result = await run_stage(stage, is_skip_failure=False, log=log)
        log.seek(0)
        output = log.read()

    assert result.outcome is Outcome.FAILED
    assert result.remark.endswith("status 3")
    assert b"never" not in output


async def test_a_stage_tells_its_programs_what_it_found() -> None:
    stage = Stage(
        "probe",
        (_python("import os; print(os.environ['PROBE'])"),),
        prepare=lambda: Readiness(environment={"PROBE": "found"}),
    )

    with tempfile.TemporaryFile() as log:
        result = await run_stage(stage, is_skip_failure=False, log=log)
        log.seek(0)

        assert log.read() == b"found\n"
    assert result.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("is_skip_failure", "is_optional", "outcome"),
    [
        (False, False, Outcome.SKIPPED),
        (True, False, Outcome.FAILED),
        (True, True, Outcome.SKIPPED),
    ],
)
async def test_a_stage_that_cannot_run_is_skipped_aloud_or_fails(
    outcome: Outcome, *, is_skip_failure: bool, is_optional: bool
) -> None:
    stage = Stage(
        "probe",
        (),
        prepare=lambda: Readiness(missing="no browser"),
        is_optional=is_optional,
    )

    result = await run_stage(stage, is_skip_failure=is_skip_failure, log=None)

    assert (result.outcome, result.remark) == (outcome, "no browser")


@pytest.mark.parametrize(
    ("is_skip_failure", "outcome"),
    [(False, Outcome.SKIPPED), (True, Outcome.FAILED)],
)
async def test_a_program_can_say_that_it_cannot_run_here(
    outcome: Outcome, *, is_skip_failure: bool
) -> None:
    stage = Stage("probe", (_python("raise SystemExit(77)"),))

    result = await run_stage(stage, is_skip_failure=is_skip_failure, log=None)

    assert result.outcome is outcome
    assert result.remark.endswith("cannot run here")


async def test_a_stage_beyond_its_limit_is_ended_with_what_it_started(
    tmp_path: Path,
) -> None:
    late = tmp_path / "late"
    stage = Stage(
        "probe",
        (_python(f"import time; time.sleep(60); open({str(late)!r}, 'w')"),),
        limit_seconds=0.2,
    )

    result = await run_stage(stage, is_skip_failure=False, log=None)

    assert result.outcome is Outcome.FAILED
    assert result.remark == "stopped after its limit of 0.2 s"
    assert not late.exists()


def test_the_table_has_a_line_per_stage_with_its_reason() -> None:
    lines = table(
        [
            Result("lint", Outcome.PASSED, 1.26),
            Result("e2e", Outcome.SKIPPED, 0, "no Chromium"),
        ]
    ).splitlines()

    assert lines == [
        "",
        "  lint  passed      1.3 s",
        "  e2e   skipped     0.0 s  no Chromium",
    ]


def test_figures_are_told_of_a_stage_that_passed() -> None:
    said = ["....", "figure: up in 4.1 s", "no figure: this", "4 passed in 9 s"]

    assert figures(said) == ["figure: up in 4.1 s"]


def test_stages_have_names_of_their_own() -> None:
    names = [stage.name for lane in (*SIDE_BY_SIDE, AFTERWARDS) for stage in lane]

    assert len(names) == len(set(names))


def test_a_cluster_of_kind_needs_its_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cluster,) = (stage for stage in AFTERWARDS if stage.name == "cluster")
    monkeypatch.delenv("VB_CLUSTER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for names, missing in (
        ("kind docker", "kind is there, but no kubectl and no helm on PATH"),
        ("helm", "kind is there, but no kubectl on PATH"),
        ("kubectl", None),
    ):
        for name in names.split():
            program = tmp_path / name
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
        assert cluster.prepare().missing == missing

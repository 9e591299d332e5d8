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
from libs.toolchain.stages import Outcome, Result, run_stage, table


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


def test_stages_have_names_of_their_own() -> None:
    names = [stage.name for lane in (*SIDE_BY_SIDE, AFTERWARDS) for stage in lane]

    assert len(names) == len(set(names))

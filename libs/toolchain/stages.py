"""Run the stages of `make test` and tell what each came to.

`python -m libs.toolchain.stages [NAME …]`: all stages, or the named ones. The
output of a stage goes to `var/stages/<name>.log` and is shown when it fails;
lines of it that begin with `figure: ` are shown in any case. A stage run alone speaks
directly. `VB_REQUIRE_REAL=1` makes the skip of any but
an optional stage a failure. A program that ends with status 77 says that it cannot
run here: its stage is skipped.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from libs.toolchain.paths import ROOT, with_venv_on_path
from libs.toolchain.stage_table import AFTERWARDS, SIDE_BY_SIDE, Command, Stage

__all__ = ["Outcome", "Result", "figures", "run_stage", "table"]

_LOGS = ROOT / "var" / "stages"
_SHOWN_LINES = 300
_FIGURE = "figure: "
"""How a program begins a line that tells what it measured."""
_CANNOT_RUN_STATUS = 77
"""How a program says, as automake's tests do, that it cannot run on this machine."""


class Outcome(StrEnum):
    """How a stage ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the closing table."""

    name: str
    outcome: Outcome
    seconds: float
    remark: str = ""


def main() -> int:
    """Run what the command line names; return the exit status."""
    names = sys.argv[1:]
    lanes = [*SIDE_BY_SIDE, AFTERWARDS]
    known = {stage.name for lane in lanes for stage in lane}
    unknown = [name for name in names if name not in known]
    if unknown:
        message = f"no such stage: {', '.join(unknown)}; there are {sorted(known)}"
        raise SystemExit(message)
    is_skip_failure = os.environ.get("VB_REQUIRE_REAL") == "1"
    with contextlib.suppress(KeyboardInterrupt):
        results = asyncio.run(_run_all(names, is_skip_failure=is_skip_failure))
        sys.stdout.write(table(results))
        return int(any(result.outcome is Outcome.FAILED for result in results))
    return 130


def table(results: Sequence[Result]) -> str:
    """Lay out what ran, for how long, and why something did not."""
    width = max((len(result.name) for result in results), default=0)
    lines = [
        f"  {result.name:<{width}}  {result.outcome:<7}  {result.seconds:6.1f} s"
        f"  {result.remark}".rstrip()
        for result in results
    ]
    return "\n".join(["", *lines, ""])


def figures(lines: Sequence[str]) -> list[str]:
    """Pick what a stage's programs measured out of what they said."""
    return [line for line in lines if line.startswith(_FIGURE)]


async def run_stage(
    stage: Stage, *, is_skip_failure: bool, log: IO[bytes] | None
) -> Result:
    """Run a stage's commands in order; their output goes to the log when given."""
    started = time.monotonic()

    def result(outcome: Outcome, remark: str = "") -> Result:
        return Result(stage.name, outcome, time.monotonic() - started, remark)

    is_failure = is_skip_failure and not stage.is_optional
    when_missing = Outcome.FAILED if is_failure else Outcome.SKIPPED
    ready = await asyncio.to_thread(stage.prepare)
    if ready.missing is not None:
        return result(when_missing, ready.missing)
    environment = {**with_venv_on_path(), **ready.environment}
    try:
        async with asyncio.timeout(stage.limit_seconds):
            for command in stage.commands:
                status = await _run_command(command, environment, log)
                shown = " ".join(command.words).replace(f"{ROOT}/", "")
                if status == _CANNOT_RUN_STATUS:
                    return result(when_missing, f"{shown}: cannot run here")
                if status != 0:
                    return result(Outcome.FAILED, f"{shown}: status {status}")
    except TimeoutError:
        remark = f"stopped after its limit of {stage.limit_seconds:g} s"
        return result(Outcome.FAILED, remark)
    return result(Outcome.PASSED)


async def _run_all(names: Sequence[str], *, is_skip_failure: bool) -> list[Result]:
    async def run_lane(lane: Sequence[Stage]) -> list[Result]:
        return [
            await _run_told(stage, names, is_skip_failure=is_skip_failure)
            for stage in lane
            if not names or stage.name in names
        ]

    async with asyncio.TaskGroup() as lanes:
        tasks = [lanes.create_task(run_lane(lane)) for lane in SIDE_BY_SIDE]
    results = [result for task in tasks for result in task.result()]
    return [*results, *await run_lane(AFTERWARDS)]


async def _run_told(
    stage: Stage, names: Sequence[str], *, is_skip_failure: bool
) -> Result:
    if len(names) == 1:
        return await run_stage(stage, is_skip_failure=is_skip_failure, log=None)
    _LOGS.mkdir(parents=True, exist_ok=True)
    path = _LOGS / f"{stage.name}.log"
    _tell(f"── {stage.name} …")
    with path.open("wb") as log:
        result = await run_stage(stage, is_skip_failure=is_skip_failure, log=log)
    lines = path.read_text("utf-8", errors="replace").splitlines()
    if result.outcome is not Outcome.PASSED:
        _tell("\n".join(lines[-_SHOWN_LINES:]))
    else:
        for line in figures(lines):
            _tell(f"   {line}")
    last = next((line for line in reversed(lines) if line.strip()), "")
    closing = result.remark or last.strip()
    _tell(f"── {stage.name} {result.outcome} in {result.seconds:.1f} s  {closing}")
    return result


async def _run_command(
    command: Command, environment: dict[str, str], log: IO[bytes] | None
) -> int:
    process = await asyncio.create_subprocess_exec(
        *command.words,
        cwd=command.folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=asyncio.subprocess.STDOUT if log else None,
        start_new_session=True,
    )
    try:
        return await process.wait()
    finally:
        # Whatever a stage started ends with it, also when it ran out of time.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""`make dev`: Vite serves the page, services are restarted when code changes."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from watchfiles import PythonFilter, awatch

from libs.supervisor.child import Child
from libs.supervisor.programs import GATEWAY, ORCHESTRATOR, SERVICES, VITE, Program
from libs.supervisor.supervisor import Supervisor

__all__ = ["run_in_development", "touched_services"]

_FOLDERS = {
    GATEWAY.name: "services/api_gateway",
    ORCHESTRATOR.name: "services/orchestrator",
}
_SHARED_FOLDERS = ("libs", "services", "protos/gen")


async def run_in_development(
    environment: Mapping[str, str], *, folder: Path, say: Callable[[str, str], None]
) -> int:
    """Run the services and Vite until told to stop; return the exit status."""
    public = GATEWAY.ports[0]
    gateway = f"http://{public.host(environment)}:{public.number(environment)}"
    page = VITE.number(environment)
    supervisor = Supervisor(
        (*SERVICES, _vite(page)),
        environment={**environment, "VB_FRONTEND_GATEWAY": gateway},
        folder=folder,
        when_ready=f"ready: open http://127.0.0.1:{page}  (Ctrl-C ends it)",
        say=say,
    )
    watching = asyncio.create_task(
        _restart_on_change(supervisor.children, folder=folder, say=say)
    )
    try:
        return await supervisor.run()
    finally:
        watching.cancel()


def touched_services(changed: set[Path]) -> set[str]:
    """Name the services that changed files belong to; all, for shared code."""
    touched: set[str] = set()
    for path in changed:
        if "tests" in path.parts:
            continue
        owners = {name for name, own in _FOLDERS.items() if path.is_relative_to(own)}
        touched |= owners or set(_FOLDERS)
    return touched


async def _restart_on_change(
    children: Mapping[str, Child],
    *,
    folder: Path,
    say: Callable[[str, str], None],
) -> None:
    watched = [folder / shared for shared in _SHARED_FOLDERS]
    async for changes in awatch(*watched, watch_filter=PythonFilter()):
        changed = {Path(path).relative_to(folder) for _, path in changes}
        for name in sorted(touched_services(changed)):
            say(name, "its code changed: starting again")
            await children[name].restart()


def _vite(port: int) -> Program:
    script = "frontend/node_modules/vite/bin/vite.js"
    options = ("--port", str(port), "--strictPort", "--clearScreen", "false")
    return Program(
        name="page",
        command=("node", script, "frontend", *options),
        ports=(VITE,),
        ready_port=VITE,
    )

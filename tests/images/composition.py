"""The product in containers, as `docker compose` starts it, under an own name."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from libs.testing.stack import REPOSITORY, free_port, until

__all__ = ["Composition", "Container", "docker"]

_OWN = ("VB_", "OPENAI_", "LOCAL_", "COMPOSE_")
_SECONDS = 240
_RECOVERY_SECONDS = 90


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    # What the machine sets for its own use has no say here.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_OWN)
    }
    return inherited | dict(settings)


async def docker(
    *words: str, settings: Mapping[str, str] | None = None, folder: Path = REPOSITORY
) -> str:
    """Run a docker command; returns what it printed. Raises when it fails."""
    process = await asyncio.create_subprocess_exec(
        *("docker", *words),
        cwd=folder,
        env=_environment(settings or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_SECONDS):
        printed, complaints = await process.communicate()
    assert process.returncode == 0, f"docker {words}: {complaints.decode()[-4000:]}"
    return printed.decode()


@dataclass(frozen=True, slots=True)
class Container:
    """One container as it is now."""

    id: str
    process_id: int
    restarts: int
    is_healthy: bool
    configuration: dict[str, Any]

    @property
    def limits(self) -> dict[str, Any]:
        """What the engine holds it to."""
        held: dict[str, Any] = self.configuration["HostConfig"]
        return held

    def kill(self) -> None:
        """End its process as a crash does, without the engine's knowledge."""
        os.kill(self.process_id, signal.SIGKILL)


class Composition:
    """One project of its own: containers, networks and volumes."""

    def __init__(self, *, folder: Path = REPOSITORY, **settings: str) -> None:
        self.name = f"vb-test-{uuid4().hex[:8]}"
        self.folder = folder
        self.port = free_port()
        self.settings = {"VB_PUBLISHED": f"127.0.0.1:{self.port}", **settings}

    @property
    def url(self) -> str:
        """Where the only published port leads."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> tuple[str, ...]:
        """The words that come before a compose command's own."""
        return ("compose", "--project-name", self.name, "--env-file", os.devnull)

    @property
    def environment(self) -> dict[str, str]:
        """What a compose command of this project is told."""
        return _environment(self.settings)

    async def compose(self, *words: str, **settings: str) -> str:
        """Run a compose command; settings count for this one alone."""
        together = self.settings | settings
        command = (*self.command, *words)
        return await docker(*command, settings=together, folder=self.folder)

    async def up(self, *words: str, **settings: str) -> None:
        """Start what is named, or all, and wait until it is healthy."""
        await self.compose("up", "--detach", "--wait", *words, **settings)

    async def replace(self, service: str, *words: str, **settings: str) -> None:
        """Put a new container in the place of one service's, as a release does."""
        await self.up("--no-deps", "--force-recreate", *words, service, **settings)

    async def remove(self) -> None:
        """Remove everything, the data too."""
        await self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")

    async def containers(self) -> dict[str, Container]:
        """List the containers by service, stopped ones too."""
        printed = await self.compose("ps", "--all", "--quiet")
        seen = json.loads(await docker("inspect", *printed.split()))
        return {
            each["Config"]["Labels"]["com.docker.compose.service"]: _container(each)
            for each in seen
        }

    async def recovered(self, service: str, *, restarts: int) -> None:
        """Wait until a service was restarted so often and is healthy again."""

        async def holds() -> bool:
            container = (await self.containers())[service]
            return container.restarts >= restarts and container.is_healthy

        await until(holds, timeout_seconds=_RECOVERY_SECONDS, what=service)


def _container(seen: dict[str, Any]) -> Container:
    state = seen["State"]
    return Container(
        id=seen["Id"],
        process_id=state["Pid"],
        restarts=seen["RestartCount"],
        is_healthy=state.get("Health", {}).get("Status") == "healthy",
        configuration=seen,
    )

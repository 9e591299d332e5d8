"""What every test needs: replicas, resources, and waiting for what they become."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

import httpx2

from tests.operator import manifests
from tests.operator.api_server import ApiServer, Write
from tests.operator.replica import Replica

__all__ = ["USERS", "Bench", "condition", "figure"]

USERS: Final = ("operator-a", "operator-b")
_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.05


class Bench:
    """A namespace of a real API server, with as many replicas as a test starts."""

    def __init__(self, api: ApiServer, namespace: str, stack: ExitStack) -> None:
        self.api = api
        self.namespace = namespace
        self._stack = stack

    async def replica(
        self, user: str = USERS[0], *, url: str | None = None, **settings: str
    ) -> Replica:
        """Start a replica, perhaps with its own way to the API server; wait for it."""
        replica = Replica(
            self.api, user=user, namespace=self.namespace, url=url, **settings
        )
        self._stack.callback(self._end, replica)
        await asyncio.to_thread(replica.start)
        return replica

    def beside(self, suffix: str) -> "Bench":
        """Have another namespace, in which replicas may do the same only if granted."""
        other = Bench(self.api, f"{self.namespace}-{suffix}", self._stack)
        namespace = {"kind": "Namespace", "metadata": {"name": other.namespace}}
        self.api.apply({"apiVersion": "v1", **namespace})
        return other

    def fleet(self, *instances: str) -> None:
        """Have as many ready orchestrators."""
        self.api.apply(manifests.endpoints(self.namespace, instances))

    def crew(self, name: str, **fields: Any) -> dict[str, Any]:
        """Apply a crew."""
        return self.api.apply(manifests.crew(name, self.namespace, **fields))

    def agent(self, name: str = "coach", **spec: Any) -> dict[str, Any]:
        """Apply an agent."""
        return self.api.apply(manifests.agent(name, self.namespace, **spec))

    def crew_with_policy(self) -> tuple[str, str]:
        """Have an orchestrator and a crew that names a policy; return the policy."""
        self.fleet("o1")
        self.agent()
        self.api.apply(manifests.policy("mild", self.namespace))
        self.crew("coaching", guardrailRefs=["mild"])
        return ("GuardrailPolicy", "mild")

    async def without_policy(self) -> None:
        """Delete that policy, and wait until the crew's status tells."""
        self.api.delete("GuardrailPolicy", self.namespace, "mild")
        await self.until_status(
            "coaching",
            lambda told: condition(told, "ResolvedRefs") == "False InvalidReference",
        )

    def status(self, name: str, kind: str = "Crew") -> dict[str, Any]:
        """Read a status; empty when there is none."""
        found = self.api.get(kind, self.namespace, name)
        status: dict[str, Any] = found.get("status") or {}
        return status

    def revisions(self, crew: str) -> list[dict[str, Any]]:
        """Return the CrewRevisions of a crew."""
        items = self.api.get("CrewRevision", self.namespace)["items"]
        return [item for item in items if item["spec"]["crew"] == crew]

    def bootstrap(self) -> str:
        """Return what restarts begin with; empty while there are no crews."""
        for item in self.api.get("ConfigMap", self.namespace)["items"]:
            text: str = (item.get("data") or {}).get("update.json", "")
            if item["metadata"]["name"] == "bootstrap" and "assignments" in text:
                return text
        return ""

    async def until_status(
        self,
        name: str,
        found: Callable[[Mapping[str, Any]], object],
        *,
        kind: str = "Crew",
        seconds: float = _SECONDS,
    ) -> dict[str, Any]:
        """Wait until a status that speaks of the newest spec is as looked for."""

        def look() -> dict[str, Any] | None:
            body = self.api.get(kind, self.namespace, name)
            status: dict[str, Any] = body.get("status") or {}
            is_of_now = (
                status.get("observedGeneration") == body["metadata"]["generation"]
            )
            return status if is_of_now and found(status) else None

        return await self.until(look, seconds=seconds)

    async def until_ready(
        self, name: str, *, seconds: float = _SECONDS
    ) -> dict[str, Any]:
        """Wait until a crew's newest spec serves everybody."""
        return await self.until_status(
            name,
            lambda status: (
                condition(status, "Ready") == "True"
                and status["newestDigest"] == status["stableDigest"]
            ),
            seconds=seconds,
        )

    async def until_other(self, name: str, digest: str) -> None:
        """Wait until another revision of a crew than this serves everybody.

        An agent's edit leaves its crews' generation as it was, so that a status from
        before it still speaks of the newest spec: what tells is the digest.
        """
        await self.until_status(
            name,
            lambda status: (
                condition(status, "Ready") == "True"
                and status["stableDigest"] != digest
            ),
        )

    async def until_secret_version(self, model: str, version: str) -> None:
        """Wait until a model's status tells a version of its Secret."""
        await self.until_status(
            model, lambda told: told["secretVersion"] == version, kind="ModelProvider"
        )

    async def until[T](
        self, look: Callable[[], T | None], *, seconds: float = _SECONDS
    ) -> T:
        """Wait until a look finds something true; a lost connection finds nothing."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    # On a thread: played orchestrators live in this event loop.
                    if found := await asyncio.to_thread(look):
                        return found
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(_LOOK_SECONDS)

    def writes(self, *users: str) -> list[Write]:
        """Return what replicas wrote in this namespace, the Lease left out."""
        return [
            write
            for write in self.api.writes(*(users or USERS))
            if write.namespace == self.namespace and write.resource != "leases"
        ]

    @staticmethod
    def _end(replica: Replica) -> None:
        if replica.exit_code() is None:
            replica.__exit__(None, None, None)


def figure(text: str) -> None:
    """Print what was measured, for people."""
    print(text)  # noqa: T201 - it is shown by `pytest -s` and beside a failure


def condition(status: Mapping[str, Any], kind: str) -> str:
    """Tell the status of a condition, with its reason unless it is True."""
    for each in status.get("conditions") or ():
        if each["type"] == kind:
            is_true = each["status"] == "True"
            return "True" if is_true else f"{each['status']} {each['reason']}"
    return ""

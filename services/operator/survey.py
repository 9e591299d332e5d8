"""Complete listings into the world: at a leader's start, and whenever news was lost.

They are read from the API server's storage, so that a new leader knows all that the
old one wrote; what they do not have is gone.
"""

from collections.abc import Collection

from lightkube import AsyncClient
from lightkube.generic_resource import GenericNamespacedResource

from libs.crewspec.documents import Kind
from libs.crewspec.names import key_of
from services.operator.kubernetes import CREW_REVISION, DOCUMENTS, Listing
from services.operator.world import Change, World

__all__ = ["Survey"]


class Survey:
    """Lists everything of the namespaces that count."""

    def __init__(
        self, *, client: AsyncClient, world: World, namespaces: Collection[str]
    ) -> None:
        self._client = client
        self._world = world
        self._namespaces = tuple(namespaces)

    async def take(self) -> list[Change]:
        """Bring the world up to date; return what changed. Raises ApiError."""
        changes: list[Change] = []
        for kind, resource in DOCUMENTS.items():
            changes += await self._documents(kind, resource)
        changes += await self._revisions()
        return changes

    async def _documents(
        self, kind: Kind, resource: type[GenericNamespacedResource]
    ) -> list[Change]:
        changes, present, versions = [], set[str](), []
        for namespace in self._namespaces:
            listing = Listing(self._client, resource, namespace=namespace)
            async for body in listing:
                metadata, home = body["metadata"], self._world.home
                present.add(key_of(metadata["name"], metadata["namespace"], home))
                changes.append(self._world.put(kind, body))
            versions.append(listing.version)
        listed_at = min(versions)
        return changes + self._world.forget_missing(kind, present, listed_at=listed_at)

    async def _revisions(self) -> list[Change]:
        changes, present, versions = [], set[tuple[str, str]](), []
        for namespace in self._namespaces:
            listing = Listing(self._client, CREW_REVISION, namespace=namespace)
            async for body in listing:
                metadata, crew = body["metadata"], body["spec"]["crew"]
                key = key_of(crew, metadata["namespace"], self._world.home)
                present.add((key, metadata["name"]))
                changes.append(self._world.put_revision(body))
            versions.append(listing.version)
        listed_at = min(versions)
        return changes + self._world.forget_missing_revisions(
            present, listed_at=listed_at
        )

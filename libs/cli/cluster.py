"""Crews on a cluster, as far as a person's own rights reach."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from lightkube import ApiError, Client, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import PatchType
from pydantic import ValidationError

from libs.cli.exit_codes import CommandError, ExitCode
from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.crds import GROUP, VERSION
from libs.crewspec.status import CrewStatus

__all__ = ["Cluster", "FoundCrew", "FoundRevision"]

_Crew: Final = create_namespaced_resource(GROUP, VERSION, "Crew", "crews")
_Revision: Final = create_namespaced_resource(
    GROUP, VERSION, "CrewRevision", "crewrevisions"
)
_EVERYWHERE: Final = "*"
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class FoundCrew:
    """A Crew as it stands; `told` is its status as it was read."""

    namespace: str
    name: str
    is_paused: bool
    annotations: dict[str, str]
    status: CrewStatus
    told: dict[str, Any]

    def condition(self, type_: str) -> tuple[str, str, str]:
        """Return a condition's status, reason and message; empty without one."""
        for one in self.status.conditions:
            if one.type == type_:
                return one.status.value, one.reason, one.message
        return "", "", ""


@dataclass(frozen=True, slots=True)
class FoundRevision:
    """A CrewRevision without its content."""

    name: str
    digest: str
    created_at: str


class Cluster:
    """One API server, one namespace.

    `kubeconfig` and `context` default to what kubectl would take, `namespace` to the
    context's. Raises CommandError for what is not there or not reachable.
    """

    def __init__(
        self,
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        namespace: str | None = None,
    ) -> None:
        try:
            read = (
                KubeConfig.from_file(kubeconfig)
                if kubeconfig
                else KubeConfig.from_env()
            )
            config = read.get(context)
            self.namespace = namespace or (config.namespace if config else "default")
            self._client = Client(config=config, namespace=self.namespace)
        except (ConfigError, OSError, KeyError, ValueError) as error:
            detail = f"the kubeconfig cannot be used: {error}"
            raise CommandError(detail, ExitCode.UNREACHABLE) from error

    def crews(self, *, is_everywhere: bool = False) -> list[FoundCrew]:
        """List the crews of the namespace, or of all."""
        namespace = _EVERYWHERE if is_everywhere else self.namespace
        with _told(f"crews in {namespace}"):
            return [
                _found(one) for one in self._client.list(_Crew, namespace=namespace)
            ]

    def crew(self, name: str) -> FoundCrew:
        """Look a crew up."""
        with _told(f"crew {name!r} in namespace {self.namespace!r}"):
            return _found(self._client.get(_Crew, name))

    def revisions(self, crew: str) -> list[FoundRevision]:
        """List the revisions of a crew that are kept, the newest first."""
        with _told(f"revisions of crew {crew!r}"):
            listed = [*self._client.list(_Revision, fields={"spec.crew": crew})]
        found = [
            FoundRevision(
                name=one["metadata"]["name"],
                digest=one["spec"]["digest"],
                created_at=one["metadata"]["creationTimestamp"],
            )
            for one in listed
        ]
        return sorted(found, key=lambda one: (one.created_at, one.name), reverse=True)

    def ask(self, crew: str, request: RequestAnnotation, value: str) -> None:
        """Ask something of a crew's roll-out; the operator heeds it."""
        self._patch(crew, {"metadata": {"annotations": {request.key: value}}})

    def pause(self, crew: str, *, is_paused: bool) -> None:
        """Hold a crew's roll-outs, or let them go on."""
        self._patch(crew, {"spec": {"paused": True if is_paused else None}})

    def _patch(self, crew: str, patch: dict[str, Any]) -> None:
        with _told(f"crew {crew!r} in namespace {self.namespace!r}"):
            self._client.patch(
                _Crew,
                crew,
                patch,
                patch_type=PatchType.MERGE,
                field_manager="vb",
            )


def _found(manifest: Mapping[str, Any]) -> FoundCrew:
    metadata, told = manifest["metadata"], manifest.get("status") or {}
    try:
        status = CrewStatus.model_validate(told)
    except ValidationError as error:
        detail = (
            f"the status of crew {metadata['name']!r} is of another version of"
            f" VentureBots: {error.error_count()} fields do not fit"
        )
        raise CommandError(detail, ExitCode.UNREACHABLE) from error
    return FoundCrew(
        namespace=metadata["namespace"],
        name=metadata["name"],
        is_paused=manifest.get("spec", {}).get("paused", False),
        annotations=metadata.get("annotations") or {},
        status=status,
        told=told,
    )


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say of what a request failed, and what to do."""
    try:
        yield
    except ApiError as error:
        if error.status.code == _NOT_FOUND and not error.status.details:
            detail = "the cluster knows no crews: install charts/venturebots-crds first"
        else:
            detail = f"{what}: {error.status.message}"
        raise CommandError(detail, ExitCode.UNREACHABLE) from error
    except httpx2.HTTPError as error:
        detail = f"the cluster cannot be reached: {error}"
        raise CommandError(detail, ExitCode.UNREACHABLE) from error

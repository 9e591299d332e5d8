"""Which process speaks: the same names in its logs, metrics and spans."""

import secrets
from dataclasses import dataclass, field
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector

__all__ = ["ProcessIdentity", "create_registry"]


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A service, its version, and this one process of it."""

    service: str
    version: str = field(default_factory=lambda: version("venturebots"))
    instance_id: str = field(default_factory=lambda: secrets.token_hex(8))


def create_registry(identity: ProcessIdentity) -> CollectorRegistry:
    """Make a registry that tells of the process itself and of its build."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    build = Gauge(
        "venturebots_build_info",
        "1, with the service and its version as labels",
        ["service", "version"],
        registry=registry,
    )
    build.labels(identity.service, identity.version).set(1)
    return registry

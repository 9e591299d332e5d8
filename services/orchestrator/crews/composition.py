"""Which source a process takes its crews from, and what goes with it."""

import os
import socket

from libs.crewspec.packages import Packages
from libs.telemetry import ProcessIdentity
from services.orchestrator.clients.crew_discovery import Subscription
from services.orchestrator.config import Config
from services.orchestrator.crews.fallback_files import FallbackFiles
from services.orchestrator.crews.file_source import FileSource
from services.orchestrator.crews.in_force import SetCompiler
from services.orchestrator.crews.probes import ProbeRunner
from services.orchestrator.crews.registry import CrewRegistry
from services.orchestrator.crews.rollout_stats import RolloutStats
from services.orchestrator.crews.source import RevisionSource
from services.orchestrator.crews.stream_source import Operator, StreamSource
from services.orchestrator.metrics import Metrics

__all__ = ["create_source", "first_source_name"]


def first_source_name(config: Config) -> str:
    """Name the source before anything came from it."""
    if config.crew_source_address:
        return "none"
    return f"files:{config.config_directory}"


def create_source(
    config: Config,
    *,
    identity: ProcessIdentity,
    packages: Packages,
    registry: CrewRegistry,
    stats: RolloutStats,
    probes: ProbeRunner,
    metrics: Metrics,
) -> RevisionSource:
    """Take the operator's stream when there is an address of it, files otherwise."""
    if not config.crew_source_address:
        return FileSource(
            directory=config.config_directory,
            default_model=config.default_model,
            packages=packages,
            registry=registry,
            credentials=config.known_credentials(allows_local=True),
        )
    return StreamSource(
        operator=Operator(
            address=config.crew_source_address,
            token_file=config.crew_token_file,
            subscription=Subscription(
                instance_id=identity.instance_id,
                version=identity.version,
                node=config.node or socket.gethostname(),
                packages={name: known.digest for name, known in packages.items()},
            ),
        ),
        wait_seconds=config.crew_source_wait_seconds,
        compiler=SetCompiler(
            default_model=config.default_model,
            environment=os.environ,
            # Whoever may write documents in a cluster does not own this process.
            credentials=config.known_credentials(allows_local=False),
            packages=packages,
        ),
        registry=registry,
        files=FallbackFiles(
            state_directory=config.state_directory,
            bootstrap_file=config.bootstrap_file,
        ),
        stats=stats,
        probes=probes,
        metrics=metrics,
    )

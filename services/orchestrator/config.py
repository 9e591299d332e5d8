"""Settings of the orchestrator."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import SettingsConfigDict

from libs.config import Listed, ServiceSettings
from libs.crewspec.credentials import Credential, Credentials
from libs.rpc import is_loopback
from libs.telemetry import LogFormat

__all__ = ["Admission", "Config", "EventLogs"]

_MAX_PORT = 65_535


class Admission(BaseModel):
    """How many runs execute, how many wait and how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    active_runs: int = Field(default=200, ge=1)
    queued_runs: int = Field(default=200, ge=0)
    queue_seconds: float = Field(default=60, gt=0)
    founder_share_percent: int = Field(default=25, ge=1, le=100)


class EventLogs(BaseModel):
    """How much of past events is kept for those who attach late."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    total_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    kept_seconds: float = Field(default=600, ge=0)
    sweep_seconds: float = Field(default=5, gt=0)


class Config(ServiceSettings):
    """`VB_ORCHESTRATOR_*`; the defaults serve one laptop without a key."""

    model_config = SettingsConfigDict(env_prefix="VB_ORCHESTRATOR_")

    host: str = "127.0.0.1"
    port: int = Field(default=50051, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9091, ge=0, le=65535)
    token_file: Path | None = None
    allow_unauthenticated: bool = False
    config_directory: Path = Path("configs")
    default_model: str = "simulated"
    crew_source_address: str = ""
    """Where the operator is, `host:port`; a name stands for all its addresses. Empty:
    crews are read from `config_directory`."""
    crew_token_file: Path | None = None
    """The token that the operator is shown."""
    crew_source_wait_seconds: float = Field(default=10, ge=0)
    """For the operator's first word, before a file is taken instead."""
    state_directory: Path = Path("/tmp/venturebots")  # noqa: S108 - must be its own
    """Where the last good crews are kept."""
    bootstrap_file: Path | None = None
    """The operator's set of trusted crews, for a start without it."""
    credentials: tuple[Credential, ...] = ()
    """Keys of Secrets that model documents may name, and the hosts they may go to."""
    credentials_directory: Path = Path("/var/run/venturebots/credentials")
    """Where they are mounted, as `<secret>/<key>`."""
    node: str = ""
    """What the operator knows this process by, besides its id; empty: the host."""
    model_networks: Listed[IPv4Network | IPv6Network] = ()
    simulation_salt: str | None = None
    simulation_seed: int = 0
    simulation_has_faults: bool = False
    tool_threads: int = Field(default=32, ge=1, le=256)
    drain_grace_seconds: float = Field(default=150, ge=0)
    admission: Admission = Admission()
    event_logs: EventLogs = EventLogs()
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    log_format: LogFormat = LogFormat.AUTO
    log_prompts: bool = False
    """Let what models are asked and answer, and every error's text, into the log."""
    trace_prompts: bool = False
    """Let what models are asked and answer into the spans of model calls."""

    @property
    def address(self) -> str:
        """Where gRPC listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def known_credentials(self, *, allows_local: bool) -> Credentials:
        """Return the keys that documents may name.

        With `allows_local` they may name variables and files of this process too.
        """
        return Credentials(
            declared=self.credentials,
            directory=self.credentials_directory,
            allows_local=allows_local,
        )

    @model_validator(mode="after")
    def _operator_has_a_port(self) -> Self:
        address = self.crew_source_address
        host, _, port = address.rpartition(":")
        is_named = bool(host) and port.isdecimal() and int(port) <= _MAX_PORT
        if not address or address.startswith("unix:") or is_named:
            return self
        raise ValueError(f"{address!r} is no host:port")

    @model_validator(mode="after")
    def _operator_is_shown_a_token(self) -> Self:
        address = self.crew_source_address
        if not address or self.crew_token_file or is_loopback(address):
            return self
        raise ValueError(
            f"{address} is beyond loopback: set VB_ORCHESTRATOR_CREW_TOKEN_FILE"
        )

    @model_validator(mode="after")
    def _callers_are_known(self) -> Self:
        if is_loopback(self.address) or self.token_file or self.allow_unauthenticated:
            return self
        raise ValueError(
            f"{self.address} is beyond loopback: set VB_ORCHESTRATOR_TOKEN_FILE, or"
            " VB_ORCHESTRATOR_ALLOW_UNAUTHENTICATED=true when the network itself"
            " keeps strangers out"
        )

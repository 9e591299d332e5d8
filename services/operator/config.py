"""Settings of the operator."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from libs.config import Listed, ServiceSettings
from libs.crewspec.credentials import Credential
from libs.rpc import is_loopback
from libs.telemetry import LogFormat
from services.operator.errors import NoNamespaceError

__all__ = ["ALL_NAMESPACES", "Config"]

ALL_NAMESPACES: Final = "*"
_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Config(ServiceSettings):
    """`VB_OPERATOR_*`; the defaults are those of one replica on one machine."""

    model_config = SettingsConfigDict(env_prefix="VB_OPERATOR_")

    host: str = "127.0.0.1"
    port: int = Field(default=50052, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9092, ge=0, le=65535)
    token_file: Path | None = None
    allow_unauthenticated: bool = False
    namespace: str = ""
    """Home: whose documents go by their bare names, where the Secrets are."""
    watch_namespaces: Listed[str] = ()
    """Namespaces besides home whose documents count; `*` for all."""
    lease_name: str = "venturebots-operator"
    fleet_service: str = "venturebots-orchestrator"
    bootstrap_config_map: str = "venturebots-crew-bootstrap"
    credentials: tuple[Credential, ...] = ()
    packages_directory: Path = Path("services/agents")
    workers: int = Field(default=8, ge=1, le=64)
    resync_seconds: float = Field(default=600, gt=0)
    secrets_seconds: float = Field(default=30, gt=0)
    bootstrap_seconds: float = Field(default=5, gt=0)
    settle_seconds: float = Field(default=5, ge=0)
    """For how long a new leader waits at most for orchestrators to come over."""
    watch_stale_seconds: float = Field(default=180, gt=0)
    """After how long without a word from the API server the process is not alive."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    log_format: LogFormat = LogFormat.AUTO

    @property
    def address(self) -> str:
        """Where gRPC listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def home(self) -> str:
        """The namespace that was set, or the pod's own.

        Raises NoNamespaceError outside a pod when none was set.
        """
        if self.namespace:
            return self.namespace
        try:
            return _OWN_NAMESPACE.read_text("utf-8").strip()
        except OSError as error:
            message = "outside a pod VB_OPERATOR_NAMESPACE is needed"
            raise NoNamespaceError(message) from error

    @property
    def is_cluster_wide(self) -> bool:
        """Whether the documents of all namespaces count."""
        return ALL_NAMESPACES in self.watch_namespaces

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Home and the other namespaces whose documents count; `*` alone for all."""
        if self.is_cluster_wide:
            return (ALL_NAMESPACES,)
        return tuple(dict.fromkeys((self.home, *self.watch_namespaces)))

    @model_validator(mode="after")
    def _callers_are_known(self) -> Self:
        if is_loopback(self.address) or self.token_file or self.allow_unauthenticated:
            return self
        raise ValueError(
            f"{self.address} is beyond loopback: set VB_OPERATOR_TOKEN_FILE, or"
            " VB_OPERATOR_ALLOW_UNAUTHENTICATED=true when the network itself"
            " keeps strangers out"
        )

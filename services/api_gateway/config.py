"""The gateway's settings: `VB_GATEWAY_<FIELD>`, nested with `__`."""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from libs.config import Listed, ServiceSettings
from libs.rpc import is_loopback
from libs.telemetry import LogFormat
from services.api_gateway.store import WhenBusy

__all__ = ["Config", "LimitSettings", "RetentionSettings"]

Port = Annotated[int, Field(ge=0, le=65_535)]

_ADDRESS = re.compile(r"unix:.+|[^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


class LimitSettings(BaseModel):
    """How much one founder, or one address, may ask for.

    The limits of an address fit a classroom of 200 behind one router.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages_per_minute: PositiveInt = 20
    sessions_per_hour: PositiveInt = 60
    changes_per_minute: PositiveInt = 120
    searches_per_minute: PositiveInt = 120
    sockets_per_founder: PositiveInt = 12
    founders_per_hour_per_address: PositiveInt = 400
    links_per_hour_per_address: PositiveInt = 400
    sockets_per_address: PositiveInt = 800


class RetentionSettings(BaseModel):
    """How long the log keeps every delta and answers are remembered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deltas_hours: PositiveFloat = 24
    requests_days: PositiveFloat = 7
    sweep_seconds: PositiveFloat = 300


class Config(ServiceSettings):
    """All the gateway can be told; the defaults run on a laptop."""

    model_config = SettingsConfigDict(env_prefix="VB_GATEWAY_")

    host: str = "127.0.0.1"
    port: Port = 8000
    metrics_port: Port = 9090
    external_url: str | None = None
    """Where browsers reach the gateway, when a proxy stands before it."""
    instance_name: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,32}$")
    """Tells instances on one host apart in cookie names; the port by default."""
    allowed_origins: Listed[str] = ()
    """Origins that may change things besides the gateway's own."""
    trusted_proxies: Listed[IPv4Network | IPv6Network] = ()
    """Networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    database_path: Path = Path("var/venturebots.db")
    page_directory: Path = Path("frontend/dist")

    orchestrator_addresses: Listed[str] = Field(
        default=("127.0.0.1:50051",), min_length=1
    )
    orchestrator_token_file: Path | None = None

    when_busy: WhenBusy = WhenBusy.WAIT
    queue_limit: Annotated[int, Field(ge=0, le=100)] = 3
    run_timeout_seconds: PositiveFloat = 300
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()

    drain_seconds: Annotated[float, Field(ge=0, le=5)] = 2
    """Over which the closing of sockets is spread; the process has 10 s in all."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: LogFormat = LogFormat.AUTO
    trust_traceparent: bool = False
    """Continue traces that requests name, instead of only linking to them."""

    @field_validator("external_url")
    @classmethod
    def _is_a_web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "VB_GATEWAY_EXTERNAL_URL must look like https://coach.example.org"
            raise ValueError(message)
        return value.rstrip("/")

    @field_validator("orchestrator_addresses")
    @classmethod
    def _have_ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            if not _ADDRESS.fullmatch(address):
                message = (
                    f"VB_GATEWAY_ORCHESTRATOR_ADDRESSES: {address!r} is not "
                    "host:port or unix:path"
                )
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _far_orchestrators_are_shown_a_token(self) -> Self:
        for address in self.orchestrator_addresses:
            if self.orchestrator_token_file is None and not is_loopback(address):
                message = (
                    f"VB_GATEWAY_ORCHESTRATOR_TOKEN_FILE is missing: {address!r} is "
                    "beyond loopback"
                )
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _origins_have_no_path(self) -> Self:
        for origin in self.allowed_origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or parts.path:
                message = (
                    f"VB_GATEWAY_ALLOWED_ORIGINS: {origin!r} is not an origin "
                    "such as https://coach.example.org"
                )
                raise ValueError(message)
        return self

    @property
    def cookie_name(self) -> str:
        """Named per instance, because cookies ignore ports."""
        return f"vb_founder_{self.instance_name or self.port}"

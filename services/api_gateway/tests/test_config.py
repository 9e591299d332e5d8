"""Settings come from the environment, and mistakes in them are told by name."""

from pathlib import Path

import pytest

from services.api_gateway.__main__ import main
from services.api_gateway.config import Config
from services.api_gateway.store import WhenBusy


def test_the_defaults_run_on_a_laptop() -> None:
    config = Config()
    assert (config.host, config.port, config.metrics_port) == ("127.0.0.1", 8000, 9090)
    assert config.database_path == Path("var/venturebots.db")
    assert config.orchestrator_addresses == ("127.0.0.1:50051",)
    assert config.cookie_name == "vb_founder_8000"


def test_lists_and_groups_are_read_from_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "ORCHESTRATOR_ADDRESSES": "one:1, two:2",
        "ORCHESTRATOR_TOKEN_FILE": "/run/secrets/token",
        "TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
        "ALLOWED_ORIGINS": "https://coach.example",
        "LIMITS__MESSAGES_PER_MINUTE": "7",
        "WHEN_BUSY": "interrupt",
        "INSTANCE_NAME": "blue",
    }.items():
        monkeypatch.setenv(f"VB_GATEWAY_{name}", value)
    config = Config()
    assert config.orchestrator_addresses == ("one:1", "two:2")
    assert [str(network) for network in config.trusted_proxies] == [
        "10.0.0.0/8",
        "fd00::/8",
    ]
    assert config.allowed_origins == ("https://coach.example",)
    assert config.limits.messages_per_minute == 7
    assert config.when_busy is WhenBusy.INTERRUPT
    assert config.cookie_name == "vb_founder_blue"


def test_an_orchestrator_beyond_loopback_needs_a_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VB_GATEWAY_ORCHESTRATOR_ADDRESSES", "coach:50051")
    assert main(["--print-config"]) == 2
    assert "VB_GATEWAY_ORCHESTRATOR_TOKEN_FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VB_GATEWAY_PROT", "8000"),
        ("VB_GATEWAY_LIMITS__MESSAGES", "3"),
        ("VB_GATEWAY_ORCHESTRATOR_ADDRESSES", "one:1,two"),
        ("VB_GATEWAY_EXTERNAL_URL", "coach.example"),
        ("VB_GATEWAY_ALLOWED_ORIGINS", "https://coach.example/page"),
    ],
)
def test_a_mistake_is_told_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["--print-config"]) == 2
    printed = capsys.readouterr()
    assert name in printed.err
    assert printed.out == ""


def test_the_settings_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VB_GATEWAY_PORT", "8123")
    assert main(["--print-config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "VB_GATEWAY_PORT=8123" in lines
    assert "VB_GATEWAY_LIMITS__SESSIONS_PER_HOUR=60" in lines

"""Settings from the environment, and how the command ends when they lead nowhere."""

from pathlib import Path

import pytest

from services.operator.__main__ import main
from services.operator.config import Config
from services.operator.errors import NoNamespaceError


def test_namespaces_are_home_and_those_that_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VB_OPERATOR_NAMESPACE", "home")
    alone = Config().namespaces
    monkeypatch.setenv("VB_OPERATOR_WATCH_NAMESPACES", "other, home")
    listed = Config().namespaces
    monkeypatch.setenv("VB_OPERATOR_WATCH_NAMESPACES", "*")
    everywhere = Config()

    assert alone == ("home",)
    assert listed == ("home", "other")
    assert everywhere.namespaces == ("*",)
    assert everywhere.is_cluster_wide


def test_credentials_are_read_as_the_charts_write_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "VB_OPERATOR_CREDENTIALS",
        '[{"secret":"models","key":"openai","allowedHosts":["api.openai.com"]}]',
    )

    [credential] = Config().credentials

    assert credential.allowed_hosts == ("api.openai.com",)


def test_outside_a_pod_a_namespace_is_needed() -> None:
    if Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").exists():
        pytest.skip("this runs in a pod")
    with pytest.raises(NoNamespaceError):
        Config().home  # noqa: B018 - reading it raises


def test_beyond_loopback_a_token_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VB_OPERATOR_HOST", "0.0.0.0")  # noqa: S104 - what is refused

    assert main([]) == 2
    assert "VB_OPERATOR_TOKEN_FILE" in capsys.readouterr().err


def test_a_misspelt_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VB_OPERATOR_LEASE", "x")

    assert main(["--print-config"]) == 2
    assert "VB_OPERATOR_LEASE is not a setting" in capsys.readouterr().err


def test_the_settings_in_force_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-config"]) == 0
    assert "VB_OPERATOR_PORT=50052" in capsys.readouterr().out

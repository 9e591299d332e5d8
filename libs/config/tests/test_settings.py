"""Settings come from the environment and from secret files."""

from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.config import ServiceSettings, variable_names


class Limits(BaseModel):
    """A nested group."""

    per_minute: int = 5
    key: SecretStr | None = None


class Settings(ServiceSettings):
    """A service's settings."""

    model_config = SettingsConfigDict(env_prefix="VB_SAMPLE_")

    store_url: str = "sqlite:///x"
    token: SecretStr | None = None
    limits: Limits = Limits()


def test_nested_values_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A double underscore separates group and field."""
    monkeypatch.setenv("VB_SAMPLE_LIMITS__PER_MINUTE", "9")
    assert Settings().limits.per_minute == 9


def test_a_secret_file_wins_over_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The final newline of the file is not part of the secret."""
    file = tmp_path / "token"
    file.write_text("from-file\n", "utf-8")
    monkeypatch.setenv("VB_SAMPLE_TOKEN", "from-env")
    monkeypatch.setenv("VB_SAMPLE_TOKEN_FILE", str(file))
    monkeypatch.setenv("VB_SAMPLE_LIMITS__KEY_FILE", str(file))
    settings = Settings()
    assert settings.token is not None
    assert settings.token.get_secret_value() == "from-file"
    assert settings.limits.key is not None
    assert settings.limits.key.get_secret_value() == "from-file"


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable."""
    monkeypatch.setenv("VB_SAMPLE_STORE_URI", "x")
    with pytest.raises(ValueError, match="VB_SAMPLE_STORE_URI"):
        Settings()


def test_printing_hides_secrets_and_passwords() -> None:
    """Neither a secret field nor the password of a URL is shown."""
    settings = Settings(
        store_url="postgresql://app:hunter2@db/app", token=SecretStr("hunter2")
    )
    shown = settings.redacted()
    assert "hunter2" not in shown
    assert "VB_SAMPLE_STORE_URL=postgresql://**********@db/app" in shown
    assert "VB_SAMPLE_LIMITS__PER_MINUTE=5" in shown


def test_all_variables_are_listed() -> None:
    """Secrets appear with their file form."""
    assert variable_names(Settings) == [
        "VB_SAMPLE_STORE_URL",
        "VB_SAMPLE_TOKEN",
        "VB_SAMPLE_TOKEN_FILE",
        "VB_SAMPLE_LIMITS__PER_MINUTE",
        "VB_SAMPLE_LIMITS__KEY",
        "VB_SAMPLE_LIMITS__KEY_FILE",
    ]

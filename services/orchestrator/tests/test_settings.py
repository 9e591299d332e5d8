"""Settings that belong together are refused when they do not."""

import pytest
from pydantic import ValidationError

from services.orchestrator.config import Config


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"crew_source_address": "operator:50052"}, "set VB_ORCHESTRATOR_CREW_TOKEN_F"),
        ({"crew_source_address": "127.0.0.1"}, "is no host:port"),
        ({"crew_source_address": "127.0.0.1:"}, "is no host:port"),
        ({"crew_source_address": "127.0.0.1:70000"}, "is no host:port"),
        (
            {"credentials": [{"secret": "a", "key": "b", "allowedHosts": []}]},
            "at least 1 item",
        ),
        (
            {"credentials": [{"secret": "a", "key": "b", "allowedHosts": ["a/b"]}]},
            "should match pattern",
        ),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Config.model_validate(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"crew_source_address": "127.0.0.1:50052"},
        {"crew_source_address": "unix:/run/operator.sock"},
        {"crew_source_address": "operator:50052", "crew_token_file": "/run/token"},
    ],
)
def test_what_can_work_is_taken(settings: dict[str, object]) -> None:
    assert Config.model_validate(settings).crew_source_address


def test_credentials_are_written_as_in_the_values_of_the_charts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "VB_ORCHESTRATOR_CREDENTIALS",
        '[{"secret": "openai", "key": "api-key", "allowedHosts": ["api.openai.com"]}]',
    )
    known = Config().known_credentials(allows_local=False)
    [credential] = known.declared
    assert credential.allowed_hosts == ("api.openai.com",)
    assert not known.allows_local
    assert str(known.directory) == "/var/run/venturebots/credentials"

"""The document names each log event and metric there is, and no other."""

import re

import pytest

from tests.telemetry.observed import ROOT, logged_events, metric_rows

_DOCUMENT = ROOT / "docs" / "architecture" / "observability.md"


def _rows(heading: str) -> list[str]:
    """The rows of the table under a heading, without its head."""
    text = _DOCUMENT.read_text("utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize(
    ("heading", "service"),
    [
        ("Metrics of the gateway", "api-gateway"),
        ("Metrics of the orchestrator", "orchestrator"),
        ("Metrics of the operator", "operator"),
    ],
)
def test_the_tables_of_metrics_are_the_registries(heading: str, service: str) -> None:
    assert sorted(_rows(heading)) == sorted(metric_rows(service).values())


def test_the_table_of_events_is_what_the_code_logs() -> None:
    documented = _rows("Log events")
    logged = logged_events()

    beginnings = {re.sub(r"[^|]*\|$", "", row).strip() for row in documented}
    assert beginnings == set(logged.values())
    for row in documented:
        meaning = row.rstrip("|").rpartition("|")[2].strip()
        assert meaning, row


def test_metrics_follow_the_conventions_of_prometheus() -> None:
    for service in ("api-gateway", "orchestrator", "operator"):
        for name, row in metric_rows(service).items():
            assert re.fullmatch(r"venturebots_[a-z_]+", name), name
            if "| histogram |" in row:
                assert name.endswith(("_seconds", "_units")), name

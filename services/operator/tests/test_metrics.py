"""Conditions are counted by type and status, never by crew."""

from prometheus_client import CollectorRegistry

from services.operator.metrics import Metrics

_NAME = "venturebots_operator_crew_condition"


def test_a_crew_counts_for_its_present_conditions_alone() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    def count(kind: str, status: str) -> float:
        value = registry.get_sample_value(_NAME, {"type": kind, "status": status})
        return value or 0

    metrics.put_conditions("one", [("Ready", "False"), ("Accepted", "True")])
    metrics.put_conditions("two", [("Ready", "True"), ("Accepted", "True")])
    assert (count("Ready", "True"), count("Accepted", "True")) == (1, 2)
    metrics.put_conditions("one", [("Ready", "True"), ("Accepted", "True")])
    assert (count("Ready", "True"), count("Ready", "False")) == (2, 0)
    metrics.put_conditions("two", [])
    assert (count("Ready", "True"), count("Accepted", "True")) == (1, 1)
    metrics.forget_crews()
    assert (count("Ready", "True"), count("Accepted", "True")) == (0, 0)

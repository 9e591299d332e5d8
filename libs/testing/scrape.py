"""One figure of what a process tells about itself at its metrics port."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from libs.testing.stack import StackProcess

__all__ = ["metrics_port", "scraped"]

_TIMEOUT_SECONDS = 10


def metrics_port(process: StackProcess) -> int:
    """Where a process of a stack tells its metrics."""
    (port,) = (
        value
        for name, value in process.environment.items()
        if name.endswith("_METRICS_PORT")
    )
    return int(port)


async def scraped(process: StackProcess, sample: str) -> float:
    """Ask for the value of the one sample of a name."""
    url = f"http://127.0.0.1:{metrics_port(process)}/metrics"
    async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_SECONDS) as http:
        text = (await http.get(url)).text
    (value,) = (
        found.value
        for family in text_string_to_metric_families(text)
        for found in family.samples
        if found.name == sample
    )
    return value

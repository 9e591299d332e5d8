"""What must be true of the process before CrewAI is imported.

CrewAI reads these variables once, at its first import. Telemetry that is on then
replaces signal handlers, registers trace handlers and resolves host names.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["VARIABLES", "prepare", "quiet_import"]

VARIABLES = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    # Keeps a fresh home from registering the trace listeners.
    "CREWAI_TESTING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    # The import would load the working directory's .env into this process.
    "PYTHON_DOTENV_DISABLED": "true",
}


def prepare() -> None:
    """Set the variables, and take away the one that would start Redis locks."""
    os.environ.update(VARIABLES)
    os.environ.pop("REDIS_URL", None)


@contextmanager
def quiet_import() -> Iterator[None]:
    """Import CrewAI without its warnings, and keep its `warnings.warn` out."""
    prepare()
    original = warnings.warn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    warnings.warn = original

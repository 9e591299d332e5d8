"""The function that makes the crew engine on CrewAI.

Only a call of it imports CrewAI, so a process that merely knows the port does not
pay for it.
"""

from services.orchestrator.engine import CrewEngine
from services.orchestrator.runtime.llm.addresses import AddressPolicy

__all__ = ["create_engine"]


def create_engine(
    *,
    tool_threads: int = 32,
    salt: str | None = None,
    seed: int = 0,
    has_faults: bool = False,
    addresses: AddressPolicy | None = None,
) -> CrewEngine:
    """Import CrewAI, make it fit for a server, and build the engine on it.

    `salt` varies what the simulated model says from process to process (random
    when None), `seed` on purpose; `has_faults` lets founders ask the simulated
    model to fail (see `llm/simulated.py`); `addresses` says where models may be.

    Raises:
        IncompatibleCrewAIError: The installed CrewAI is not the expected one.

    """
    from services.orchestrator.runtime import compat  # noqa: PLC0415 - imports crewai
    from services.orchestrator.runtime.crew_runner import (  # noqa: PLC0415 - as above
        CrewRunner,
    )
    from services.orchestrator.runtime.llm.catalogue import (  # noqa: PLC0415 - as above
        ModelCatalogue,
    )

    compat.install()
    models = ModelCatalogue(
        salt=salt,
        seed=seed,
        has_faults=has_faults,
        addresses=addresses or AddressPolicy(),
    )
    return CrewRunner(tool_threads=tool_threads, models=models)

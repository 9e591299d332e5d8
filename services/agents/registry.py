"""Every tool and output schema that is installed, by name."""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

from services import agents
from services.agents.output import AgentOutput
from services.agents.tool import AgentTool

__all__ = ["agent_packages", "installed_outputs", "installed_tools"]


@cache
def agent_packages() -> tuple[str, ...]:
    """Import paths of the agent packages: every folder here but `tests`."""
    return tuple(
        module.name
        for module in pkgutil.iter_modules(agents.__path__, f"{agents.__name__}.")
        if module.ispkg and not module.name.endswith(".tests")
    )


@cache
def installed_tools() -> Mapping[str, AgentTool]:
    """Tools of all agent packages.

    Raises:
        ValueError: Two packages claim one name.

    """
    tools: list[AgentTool] = []
    for package in agent_packages():
        tools += importlib.import_module(f"{package}.tools").TOOLS
    return _by_name(tools)


@cache
def installed_outputs() -> Mapping[str, AgentOutput]:
    """Output schemas of all agent packages.

    Raises:
        ValueError: Two packages claim one name.

    """
    outputs: list[AgentOutput] = []
    for package in agent_packages():
        outputs += importlib.import_module(f"{package}.outputs").OUTPUTS
    return _by_name(outputs)


def _by_name[T: (AgentTool, AgentOutput)](offered: Iterable[T]) -> Mapping[str, T]:
    found: dict[str, T] = {}
    for item in offered:
        if item.name in found:
            raise ValueError(f"two agent packages offer {item.name!r}")
        found[item.name] = item
    return MappingProxyType(found)

"""Every tool that is installed, by name."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from services import agents
from services.agents.tool import AgentTool

__all__ = ["agent_packages", "installed_tools"]


@cache
def agent_packages() -> tuple[str, ...]:
    """Import paths of the agent packages: every folder that holds a `tools.py`."""
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
    found: dict[str, AgentTool] = {}
    for package in agent_packages():
        tools: tuple[AgentTool, ...] = importlib.import_module(f"{package}.tools").TOOLS
        for tool in tools:
            if tool.name in found:
                raise ValueError(f"two agent packages offer the tool {tool.name!r}")
            found[tool.name] = tool
    return MappingProxyType(found)

"""What an agent package offers for steps whose answer is data, not talk."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

__all__ = ["AgentOutput", "OutputModel"]


class OutputModel(BaseModel):
    """What a step answers: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class AgentOutput:
    """A schema that a task may name with `outputRef`."""

    name: str
    model: type[OutputModel]

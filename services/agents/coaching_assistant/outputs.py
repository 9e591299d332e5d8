"""The shapes in which a coaching crew may be asked to answer."""

from pydantic import Field

from services.agents.coaching_assistant.tools import PainField
from services.agents.output import AgentOutput, OutputModel

__all__ = ["OUTPUTS"]


class PainNotes(OutputModel):
    """What the founder has said of their pain, and what they have not."""

    pain: str = Field(
        min_length=1, max_length=500, description="The pain in the founder's words."
    )
    known: list[PainField] = Field(
        max_length=len(PainField), description="Fields the founder has answered."
    )
    severity: int | None = Field(
        default=None, ge=1, le=10, description="From 1 to 10, if they said so."
    )


OUTPUTS: tuple[AgentOutput, ...] = (AgentOutput(name="pain_notes", model=PainNotes),)

"""The tools a coaching crew may call."""

from enum import StrEnum

from pydantic import Field

from services.agents.coaching_assistant.frameworks import FRAMEWORKS, find_framework
from services.agents.tool import AgentTool, ToolArguments

__all__ = ["TOOLS"]


class ExplainFramework(ToolArguments):
    """Which framework to explain."""

    topic: str = Field(
        min_length=1,
        max_length=200,
        description="A framework's name, or what the founder struggles with.",
    )


class InterviewQuestions(ToolArguments):
    """What to ask, and whom."""

    audience: str = Field(
        min_length=1, max_length=120, description="Whom the founder will talk to."
    )
    problem: str = Field(
        min_length=1, max_length=200, description="The pain in the founder's words."
    )


class PainField(StrEnum):
    """What must be known of a pain, in the order in which it is asked."""

    DESCRIPTION = "description"
    PERSONAL_EXPERIENCE = "personal_experience"
    FREQUENCY = "frequency"
    SEVERITY = "severity"
    WHO_ELSE = "who_else"
    WORKAROUNDS = "workarounds"
    WILLINGNESS_TO_PAY = "willingness_to_pay"


class PainGaps(ToolArguments):
    """What is known of the pain so far."""

    known: list[PainField] = Field(
        max_length=len(PainField), description="Fields the founder has answered."
    )


_QUESTIONS: dict[PainField, str] = {
    PainField.DESCRIPTION: "What exactly goes wrong, and when did it last happen?",
    PainField.PERSONAL_EXPERIENCE: "Did it happen to you, and what did you do then?",
    PainField.FREQUENCY: "How often did it happen in the last month?",
    PainField.SEVERITY: "On a scale of 1 to 10, how much does it hurt, and why?",
    PainField.WHO_ELSE: "Who else has it? Name one person.",
    PainField.WORKAROUNDS: "What do they do about it today?",
    PainField.WILLINGNESS_TO_PAY: "What have they paid, in money or in hours?",
}


def explain_framework(arguments: ExplainFramework) -> str:
    """Teach one framework in a sentence and name the step it suggests."""
    framework = find_framework(arguments.topic)
    if framework is None:
        names = ", ".join(framework.name for framework in FRAMEWORKS)
        return f"No framework fits that topic. Known: {names}."
    return f"{framework.name}: {framework.lesson} Next step: {framework.next_step}"


def interview_questions(arguments: InterviewQuestions) -> str:
    """Five questions about the past, none about the future."""
    problem, audience = arguments.problem.strip(), arguments.audience.strip()
    return "\n".join(
        (
            f"Questions for {audience}:",
            f"1. Tell me about the last time you dealt with this: {problem}.",
            "2. What did you do about it, step by step?",
            "3. What was the hardest part, and why?",
            "4. What have you already tried or paid for?",
            "5. Who else should I talk to about it?",
        )
    )


def pain_gaps(arguments: PainGaps) -> str:
    """What is still unknown of a pain, and the question to ask next."""
    missing = [field for field in PainField if field not in arguments.known]
    if not missing:
        return "Everything needed is known. Next: look for ideas."
    listed = ", ".join(field.value.replace("_", " ") for field in missing)
    return f"Still unknown: {listed}. Ask next: {_QUESTIONS[missing[0]]}"


TOOLS: tuple[AgentTool, ...] = (
    AgentTool(
        name="explain_framework",
        description="Explain a venture framework in one sentence, with a next step.",
        arguments=ExplainFramework,
        run=explain_framework,
    ),
    AgentTool(
        name="interview_questions",
        description="Write five interview questions about what people really did.",
        arguments=InterviewQuestions,
        run=interview_questions,
    ),
    AgentTool(
        name="pain_gaps",
        description="Tell what is still unknown of a pain and what to ask next.",
        arguments=PainGaps,
        run=pain_gaps,
    ),
)

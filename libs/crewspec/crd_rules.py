"""Rules that an API server checks by itself, in standard CEL.

They say of one object what the validator says, as far as one object can be judged
without others. Only what every supported API server and offline checkers know is
used: no extensions of Kubernetes, no macros of two variables. Where a place in a list
counts, the places are written out, as many as the list can have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from libs.crewspec.documents import (
    AgentSpec,
    AllowedNamespaces,
    CredentialRef,
    CrewSpec,
    ModelProviderSpec,
    TaskSpec,
)
from libs.crewspec.rollout import Rollout
from libs.crewspec.status import CrewRevisionSpec, CrewStatus, DocumentStatus

__all__ = ["LISTS", "NAME_RULES", "RULES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A claim about an object, in CEL, and what to do when it does not hold.

    `field_path` points at the field that is to blame.
    """

    rule: str
    message: str
    field_path: str = ""

    def as_kubernetes(self) -> dict[str, str]:
        """Write it as an item of `x-kubernetes-validations`."""
        told = {"rule": self.rule, "message": self.message}
        return {**told, "fieldPath": self.field_path} if self.field_path else told


def _places(count: int) -> str:
    return f"[{', '.join(map(str, range(count)))}]"


_MAX_TASKS: Final = 20
_MAX_STEPS: Final = 10
_VARIABLE: Final = "[{][A-Za-z_][A-Za-z0-9_-]*[}]"
_BARE_URL: Final = r"(?i)^https?://[^/?#@\\s]+(/[^?#\\s]*)?$"
_ENCRYPTED_OR_LOCAL: Final = (
    r"(?i)^(https://|http://(localhost|127[.][0-9.]+|\\[::1\\])(:[0-9]+)?(/|$))"
)

_MODEL: Final = (
    Rule(
        "self.provider != 'OpenAICompatible' || has(self.endpoint)",
        "endpoint is required for provider OpenAICompatible: give its base URL",
        ".endpoint",
    ),
    Rule(
        "self.provider != 'Simulated' || !has(self.endpoint)",
        "a Simulated model has no endpoint: take it out",
        ".endpoint",
    ),
    Rule(
        "self.provider != 'Simulated' || !has(self.credentialRef)",
        "a Simulated model needs no key: take credentialRef out",
        ".credentialRef",
    ),
    Rule(
        "self.provider != 'Simulated' || !has(self.structuredOutput)"
        " || self.structuredOutput == 'None'",
        "a Simulated model needs no structuredOutput: take it out",
        ".structuredOutput",
    ),
    Rule(
        "self.provider == 'Simulated' || !has(self.tokensPerSecond)",
        "tokensPerSecond is only for provider Simulated: take it out",
        ".tokensPerSecond",
    ),
    Rule(
        f"!has(self.endpoint) || self.endpoint.matches('{_BARE_URL}')",
        "endpoint must be an http(s) URL without user, password, query or fragment",
        ".endpoint",
    ),
    Rule(
        "!has(self.endpoint) || !has(self.credentialRef)"
        f" || self.endpoint.matches('{_ENCRYPTED_OR_LOCAL}')",
        "a key travels encrypted: use an https endpoint, or one on the same host",
        ".endpoint",
    ),
)
_CREDENTIAL: Final = (
    Rule(
        "[has(self.env), has(self.file), has(self.secret)].exists_one(one, one)",
        "give exactly one of env, file and secret; on a cluster that is secret",
    ),
)
_CONSENT: Final = (
    Rule(
        "(has(self.from) && self.from == 'Named')"
        " == (has(self.names) && size(self.names) > 0)",
        "names belong to `from: Named`, which needs some",
        ".names",
    ),
)
_AGENT: Final = tuple(
    Rule(
        f"!self.{field}.matches('{_VARIABLE}')",
        f"no variables in {field}: {{message}}, {{summary}} and {{trigger}} belong"
        " in a task's description",
        f".{field}",
    )
    for field in ("role", "goal", "backstory")
)
_TASK: Final = (
    Rule(
        f"!self.expectedOutput.matches('{_VARIABLE}')",
        "no variables in expectedOutput: they belong in description",
        ".expectedOutput",
    ),
    Rule(
        "!has(self.suggestions) || !self.suggestions"
        " || !has(self.output) || self.output == 'Reply'",
        "only the Reply offers suggestions: take them out of Internal tasks",
        ".suggestions",
    ),
    Rule(
        "!has(self.outputSchema) || !has(self.outputRef)",
        "give either outputSchema or outputRef",
        ".outputRef",
    ),
    Rule(
        "(has(self.output) && self.output == 'Internal')"
        " || !(has(self.outputSchema) || has(self.outputRef))",
        "a Reply is talk: only a task with `output: Internal` has an outputSchema or"
        " an outputRef",
        ".output",
    ),
)
_CREW: Final = (
    Rule(
        "size(self.tasks) == 0 || !has(self.tasks[size(self.tasks) - 1].output)"
        " || self.tasks[size(self.tasks) - 1].output == 'Reply'",
        "the last task must be the Reply: it is what the founder reads",
        ".tasks",
    ),
    Rule(
        "size(self.tasks.filter(task,"
        " !has(task.output) || task.output == 'Reply')) <= 1",
        "only the last task is the Reply: say `output: Internal` in the others",
        ".tasks",
    ),
    Rule(
        f"{_places(_MAX_TASKS)}.all(at, at >= size(self.tasks)"
        " || !has(self.tasks[at].context)"
        " || self.tasks[at].context.all(name,"
        f" {_places(_MAX_TASKS)}.exists(before,"
        " before < at && self.tasks[before].name == name)))",
        "context names earlier tasks only: move the task up, or take the name out",
        ".tasks",
    ),
    Rule(
        "!has(self.triggers) || !('Opening' in self.triggers)"
        " || !self.tasks.exists(task, task.description.contains('{message}'))",
        "a crew that answers Opening has no {message}: take it out of the"
        " descriptions, or answer Openings with another crew",
        ".tasks",
    ),
)
_ROLLOUT: Final = (
    Rule(
        f"!has(self.steps) || {_places(_MAX_STEPS - 1)}.all(at,"
        " at + 1 >= size(self.steps)"
        " || self.steps[at].weight < self.steps[at + 1].weight)",
        "the weights of steps must grow",
        ".steps",
    ),
    Rule(
        "!has(self.steps) || size(self.steps) == 0"
        " || self.steps[size(self.steps) - 1].weight == 100",
        "the weight of the last step must be 100: a roll-out ends with everybody",
        ".steps",
    ),
)
_REVISION: Final = (
    Rule(
        "self == oldSelf",
        "a revision is immutable: edit the Crew, which makes another one",
    ),
    Rule("self.digest != ''", "a revision has a digest", ".digest"),
)

RULES: Final[Mapping[type[BaseModel], tuple[Rule, ...]]] = {
    ModelProviderSpec: _MODEL,
    CredentialRef: _CREDENTIAL,
    AllowedNamespaces: _CONSENT,
    AgentSpec: _AGENT,
    TaskSpec: _TASK,
    CrewSpec: _CREW,
    Rollout: _ROLLOUT,
    CrewRevisionSpec: _REVISION,
}
"""Rules of every object of a model, by the model."""

NAME_RULES: Final = (
    Rule(
        "size(self.metadata.name) <= 52 && !self.metadata.name.contains('.')",
        "metadata.name must have at most 52 characters, none of them a dot",
    ),
)
"""Rules of the names of documents: what revisions and keys are named by."""

_NAMED: Final = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
_CONDITIONS: Final = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
_SET: Final = {"x-kubernetes-list-type": "set"}

LISTS: Final[Mapping[tuple[type[BaseModel], str], Mapping[str, Any]]] = {
    (CrewSpec, "tasks"): _NAMED,
    (CrewSpec, "triggers"): _SET,
    (TaskSpec, "context"): _SET,
    (AgentSpec, "tool_refs"): _SET,
    (Rollout, "probes"): _NAMED,
    (CrewStatus, "conditions"): _CONDITIONS,
    (DocumentStatus, "conditions"): _CONDITIONS,
}
"""Lists that hold nothing twice, by model and field."""

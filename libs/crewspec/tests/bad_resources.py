"""Resources that an API server must refuse, and what it says.

One table for two readers: the tests beside this file try it on the schemas and rules
themselves, those on a cluster on a real API server.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from libs.crewspec.documents import API_VERSION

__all__ = ["BAD_RESOURCES", "FULL", "REVISION", "BadResource"]

type Manifest = dict[str, Any]
type _Row = tuple[str, str, object, str]
"""A sound resource, the place that is changed, to what, and what is said of it."""


def _manifest(kind: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": "sample"},
        "spec": spec,
    }


_DIGEST: Final = "sha256:" + "5f" * 32

REVISION: Final = _manifest(
    "CrewRevision",
    {
        "crew": "coaching",
        "digest": _DIGEST,
        "content": "{}",
        "sources": [
            {
                "kind": "Crew",
                "namespace": "coach",
                "name": "coaching",
                "uid": "7a0e",
                "generation": 1,
            }
        ],
    },
)
"""A revision as the operator makes it."""

FULL: Final = {
    "Simulated": _manifest(
        "ModelProvider",
        {"provider": "Simulated", "model": "coach", "tokensPerSecond": 50},
    ),
    "ModelProvider": _manifest(
        "ModelProvider",
        {
            "provider": "OpenAICompatible",
            "model": "small",
            "endpoint": "https://llm.example/v1",
            "credentialRef": {"secret": {"name": "keys", "key": "llm"}},
            "environment": {"model": "LLM_MODEL", "endpoint": "LLM_BASE_URL"},
            "temperatureMilli": 700,
            "maxOutputTokens": 1_500,
            "contextWindow": 128_000,
            "structuredOutput": "JsonSchema",
            "allowedNamespaces": {"from": "Named", "names": ["team-a"]},
        },
    ),
    "Tool": _manifest(
        "Tool",
        {
            "builtin": "look_up",
            "title": "Looking it up",
            "description": "Looks things up",
            "timeoutSeconds": 5,
            "sideEffects": "Idempotent",
            "allowedNamespaces": {"from": "All"},
        },
    ),
    "GuardrailPolicy": _manifest(
        "GuardrailPolicy",
        {
            "maxToolCalls": 0,
            "hiddenText": "Remove",
            "secrets": "Mask",
            "injections": "Log",
            "blockedOutput": ["Secrets", "SystemPrompt"],
            "deniedPhrases": ["guaranteed returns"],
            "allowedNamespaces": {"from": "Same"},
        },
    ),
    "Agent": _manifest(
        "Agent",
        {
            "role": "A coach",
            "goal": 'Help, and answer {"like": "this"}',
            "backstory": "Experienced",
            "package": "coaching",
            "modelRef": "models/hosted",
            "toolRefs": ["lookup", "shared/search"],
            "maxIterations": 4,
        },
    ),
    "Crew": _manifest(
        "Crew",
        {
            "description": "Answers",
            "triggers": ["Message"],
            "guardrailRefs": ["strict"],
            "summaryPrompt": "Fold it",
            "tasks": [
                {
                    "name": "think",
                    "title": "Thinking",
                    "description": "Think about {message}",
                    "expectedOutput": "Notes",
                    "agent": "coach",
                    "output": "Internal",
                    "outputSchema": {
                        "type": "object",
                        "properties": {"pain": {"type": "string", "maxLength": 200}},
                        "required": ["pain"],
                    },
                },
                {
                    "name": "reply",
                    "title": "Writing",
                    "description": "Answer, knowing {summary}",
                    "expectedOutput": "A reply",
                    "agent": "shared/coach",
                    "context": ["think"],
                    "output": "Reply",
                    "suggestions": True,
                    "timeoutSeconds": 60,
                },
            ],
            "rollout": {
                "probes": [
                    {
                        "name": "greets",
                        "message": "Hello",
                        "expect": {
                            "contains": ["?"],
                            "notContains": ["sorry"],
                            "minChars": 20,
                            "agents": ["coach"],
                        },
                        "timeoutSeconds": 30,
                    }
                ],
                "steps": [
                    {"weight": 10, "pauseSeconds": 300},
                    {"weight": 50, "requireApproval": True},
                    {"weight": 100},
                ],
                "analysis": {"minTurns": 5, "maxErrorPoints": 1, "maxP95Percent": 150},
                "autoRollback": False,
                "progressDeadlineSeconds": 900,
                "minAckPercent": 50,
            },
            "paused": False,
            "revisionHistoryLimit": 3,
        },
    ),
    "CrewRevision": REVISION,
}
"""Resources that use all there is, and must be taken."""

_TAKE_OUT: Final = object()


@dataclass(frozen=True, slots=True)
class BadResource:
    """A resource with one mistake; the API server's answer holds `message`.

    Making it and applying it on the server's side are refused in words of their own,
    which is why some messages are no more than the place. `is_rule` tells
    that a CEL rule finds it, whose message that is.
    """

    name: str
    manifest: Manifest
    message: str
    is_rule: bool


def _changed(base: str, path: str, value: object) -> Manifest:
    manifest = copy.deepcopy(FULL[base])
    held: Any = manifest
    *parents, last = path.split(".")
    for part in parents:
        held = held[int(part)] if isinstance(held, list) else held.setdefault(part, {})
    place = int(last) if isinstance(held, list) else last
    if value is _TAKE_OUT:
        del held[place]
    else:
        held[place] = value
    return manifest


_SCHEMA: Final[tuple[_Row, ...]] = (
    ("ModelProvider", "spec.provider", _TAKE_OUT, "spec.provider: Required value"),
    ("ModelProvider", "spec.provider", "Bedrock", "spec.provider: Unsupported value"),
    ("ModelProvider", "spec.model", "", "spec.model: Invalid value"),
    ("ModelProvider", "spec.model", "m" * 201, "spec.model: Too long"),
    ("ModelProvider", "spec.apiKey", "sk-in-clear", "spec.apiKey"),
    ("ModelProvider", "spec.temperatureMilli", 2_001, "less than or equal to 2000"),
    ("ModelProvider", "spec.temperatureMilli", 0.7, "spec.temperatureMilli"),
    ("ModelProvider", "spec.contextWindow", 1_023, "greater than or equal to 1024"),
    ("ModelProvider", "spec.maxRetries", "2", "spec.maxRetries"),
    ("ModelProvider", "spec.structuredOutput", "Xml", "Unsupported value"),
    (
        "ModelProvider",
        "spec.credentialRef.secret.key",
        _TAKE_OUT,
        "spec.credentialRef.secret.key: Required value",
    ),
    (
        "ModelProvider",
        "spec.credentialRef.secret.name",
        "Keys",
        "spec.credentialRef.secret.name: Invalid value",
    ),
    (
        "ModelProvider",
        "spec.environment.model",
        "PATH",
        "spec.environment.model: Invalid value",
    ),
    (
        "ModelProvider",
        "spec.allowedNamespaces.from",
        "Selector",
        "spec.allowedNamespaces.from: Unsupported value",
    ),
    ("Tool", "spec.builtin", "Look-Up", "spec.builtin: Invalid value"),
    ("Tool", "spec.description", "  \n", "spec.description: Invalid value"),
    ("Tool", "spec.timeoutSeconds", 0, "greater than or equal to 1"),
    ("Tool", "spec.sideEffects", "Some", "spec.sideEffects: Unsupported value"),
    ("GuardrailPolicy", "spec.maxToolCalls", -1, "greater than or equal to 0"),
    ("GuardrailPolicy", "spec.blockedOutput.0", "All", "Unsupported value"),
    ("GuardrailPolicy", "spec.deniedPhrases.0", "ab", "spec.deniedPhrases[0]"),
    (
        "GuardrailPolicy",
        "spec.deniedPhrases",
        [f"phrase {number}" for number in range(201)],
        "spec.deniedPhrases: Too many",
    ),
    ("Agent", "spec.role", "two\nlines", "spec.role: Invalid value"),
    ("Agent", "spec.goal", {"file": "goal.md"}, "spec.goal"),
    ("Agent", "spec.modelRef", "a/b/c", "spec.modelRef: Invalid value"),
    ("Agent", "spec.toolRefs.1", "lookup", "spec.toolRefs"),
    ("Agent", "spec.maxIterations", 51, "less than or equal to 50"),
    ("Crew", "spec", _TAKE_OUT, "spec: Required value"),
    ("Crew", "spec.tasks", [], "spec.tasks"),
    ("Crew", "spec.tasks.0.agent", _TAKE_OUT, "spec.tasks[0].agent: Required value"),
    ("Crew", "spec.tasks.1.name", "think", "spec.tasks"),
    ("Crew", "spec.tasks.1.context", ["think", "think"], "context"),
    ("Crew", "spec.tasks.0.description", "d" * 32_001, "description: Too long"),
    ("Crew", "spec.tasks.0.outputSchema.type", "date", "Unsupported value"),
    ("Crew", "spec.triggers", ["Silence"], "spec.triggers[0]: Unsupported value"),
    ("Crew", "spec.triggers", ["Message", "Message"], "spec.triggers"),
    ("Crew", "spec.revisionHistoryLimit", 101, "less than or equal to 100"),
    ("Crew", "spec.rollout.steps.0.weight", 0, "greater than or equal to 1"),
    ("Crew", "spec.rollout.steps.0.weight", _TAKE_OUT, "weight: Required value"),
    ("Crew", "spec.rollout.probes.0.expect.contains", [""], "contains[0]"),
    (
        "Crew",
        "spec.rollout.probes",
        [{"name": "greets"}, {"name": "greets"}],
        "spec.rollout.probes",
    ),
    ("Crew", "spec.rollout.minAckPercent", 0, "greater than or equal to 1"),
    ("Crew", "spec.tenant", "a", "spec.tenant"),
    ("CrewRevision", "spec.digest", "sha1:00", "spec.digest: Invalid value"),
)
_A_NAME: Final = "metadata.name must have at most 52 characters, none of them a dot"
_A_KEY_TRAVELS: Final = "a key travels encrypted"
_BARE: Final = "without user, password, query or fragment"
_ONE_OF: Final = "give exactly one of env, file and secret"
_NAMES: Final = "names belong to `from: Named`, which needs some"
_EARLIER: Final = "context names earlier tasks only"
_ONLY_LAST: Final = "only the last task is the Reply"
_RULES: Final[tuple[_Row, ...]] = (
    ("Crew", "metadata.name", "c" * 53, _A_NAME),
    ("Agent", "metadata.name", "a.coach", _A_NAME),
    ("Simulated", "metadata.name", "default", "stands for the model that the platform"),
    ("ModelProvider", "spec.endpoint", _TAKE_OUT, "endpoint is required for provider"),
    ("ModelProvider", "spec.endpoint", "ftp://llm.example", _BARE),
    ("ModelProvider", "spec.endpoint", "https://me:pw@llm.example/v1", _BARE),
    ("ModelProvider", "spec.endpoint", "https://llm.example/v1?key=sk", _BARE),
    ("ModelProvider", "spec.endpoint", "http://llm.example/v1", _A_KEY_TRAVELS),
    ("ModelProvider", "spec.endpoint", "http://localhost.example", _A_KEY_TRAVELS),
    ("ModelProvider", "spec.tokensPerSecond", 50, "only for provider Simulated"),
    ("ModelProvider", "spec.credentialRef", {}, _ONE_OF),
    ("ModelProvider", "spec.credentialRef.env", "LLM_API_KEY", _ONE_OF),
    ("ModelProvider", "spec.allowedNamespaces.names", [], _NAMES),
    ("Tool", "spec.allowedNamespaces.names", ["team-a"], _NAMES),
    ("Agent", "spec.allowedNamespaces", {"from": "Named"}, _NAMES),
    ("Simulated", "spec.endpoint", "https://a.example", "Simulated model has no"),
    ("Simulated", "spec.credentialRef", {"env": "A_TOKEN"}, "model needs no key"),
    ("Simulated", "spec.structuredOutput", "JsonObject", "no structuredOutput"),
    ("Agent", "spec.role", "Coach of {founder}", "no variables in role"),
    ("Agent", "spec.goal", "Answer {message}", "no variables in goal"),
    ("Agent", "spec.backstory", "You know {summary}", "no variables in backstory"),
    ("Crew", "spec.tasks.0.context", ["reply"], _EARLIER),
    ("Crew", "spec.tasks.0.context", ["think"], _EARLIER),
    ("Crew", "spec.tasks.1.context", ["thunk"], _EARLIER),
    ("Crew", "spec.tasks.1.output", "Internal", "the last task must be the Reply"),
    ("Crew", "spec.tasks.0.output", "Reply", _ONLY_LAST),
    ("Crew", "spec.tasks.0.output", _TAKE_OUT, _ONLY_LAST),
    ("Crew", "spec.tasks.0.outputRef", "pain", "give either outputSchema or"),
    ("Crew", "spec.tasks.1.outputRef", "pain", "a Reply is talk"),
    ("Crew", "spec.tasks.0.suggestions", True, "only the Reply offers suggestions"),
    ("Crew", "spec.tasks.1.expectedOutput", "{message}", "variables in expectedOutput"),
    ("Crew", "spec.triggers", ["Opening"], "a crew that answers Opening has no"),
    ("Crew", "spec.rollout.steps.0.weight", 50, "the weights of steps must grow"),
    ("Crew", "spec.rollout.steps.0.weight", 60, "the weights of steps must grow"),
    ("Crew", "spec.rollout.steps.2.weight", 99, "of the last step must be 100"),
    ("CrewRevision", "spec.digest", "", "a revision has a digest"),
)


def _resources() -> Iterator[BadResource]:
    for rows, is_rule in ((_SCHEMA, False), (_RULES, True)):
        for base, path, value, message in rows:
            yield BadResource(
                name=f"{base} {path}: {message}",
                manifest=_changed(base, path, value),
                message=message,
                is_rule=is_rule,
            )


BAD_RESOURCES: Final = tuple(_resources())
"""Every row with its manifest; a CrewRevision that is changed is a case of its own."""

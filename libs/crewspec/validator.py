"""What one document cannot know alone: names, order, variables, endpoints."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final, assert_never
from urllib.parse import urlsplit

from libs.crewspec.compiled import ModelProviderKind, TaskOutput, Trigger
from libs.crewspec.diagnostics import Diagnostic, Path
from libs.crewspec.documents import (
    DEFAULT_MODEL,
    AgentSpec,
    CrewSpec,
    Kind,
    ModelProviderSpec,
    TaskSpec,
)
from libs.crewspec.loader import Document, DocumentSet
from libs.crewspec.packages import PackageTools

__all__ = ["PROMPT_VARIABLES", "endpoint_problem", "validate"]

PROMPT_VARIABLES: Final = frozenset({"message", "summary", "trigger"})
"""What a task's description may mention as {name}."""

# What the runtime replaces; JSON in a prompt does not look like this.
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def validate(
    documents: DocumentSet, packages: PackageTools | None = None
) -> list[Diagnostic]:
    """Return every mistake of a set, those of loading first.

    Without `packages` nothing is said about the tools behind names.
    """
    found = list(documents.diagnostics)
    for model in documents.models.values():
        found += _check_model(model)
    for agent in documents.agents.values():
        found += _check_agent(agent, documents)
    for crew in documents.crews.values():
        found += _check_crew(crew, documents)
    found += _check_triggers(documents.crews.values())
    if packages is not None:
        found += _check_packages(documents, packages)
    return found


def _check_model(document: Document[ModelProviderSpec]) -> Iterator[Diagnostic]:
    spec, origin = document.spec, document.origin
    if document.name == DEFAULT_MODEL:
        message = f"{DEFAULT_MODEL!r} stands for the model bound at run time"
        yield origin.diagnose(("metadata", "name"), message)
    match spec.provider:
        case ModelProviderKind.SIMULATED:
            problems = _check_simulated(spec)
        case ModelProviderKind.OPENAI_COMPATIBLE:
            problems = _check_openai_compatible(spec)
        case _:
            assert_never(spec.provider)
    for field, message in problems:
        yield origin.diagnose(("spec", field), message)
    reference = spec.credential_ref
    if reference and (reference.env is None) == (reference.file is None):
        message = "give either env or file"
        yield origin.diagnose(("spec", "credentialRef"), message)


def _check_simulated(spec: ModelProviderSpec) -> Iterator[tuple[str, str]]:
    if spec.endpoint is not None:
        yield "endpoint", "a simulated model has none"
    if spec.credential_ref is not None:
        yield "credentialRef", "a simulated model has none"


def _check_openai_compatible(spec: ModelProviderSpec) -> Iterator[tuple[str, str]]:
    if spec.tokens_per_second is not None:
        yield "tokensPerSecond", "only for provider Simulated"
    has_credential = spec.credential_ref is not None
    if spec.endpoint is None:
        yield "endpoint", "is required for provider OpenAICompatible"
    elif problem := endpoint_problem(spec.endpoint, has_credential=has_credential):
        yield "endpoint", problem


def endpoint_problem(endpoint: str, *, has_credential: bool) -> str | None:
    """Tell what is wrong with a model's address, or None.

    A key travels encrypted, unless it stays on this host.
    """
    try:
        url = urlsplit(endpoint)
        host, _ = url.hostname, url.port
    except ValueError as error:
        return f"not a URL: {error}"
    if url.scheme not in {"http", "https"} or not host:
        return "must be an http(s) URL"
    if url.username or url.password or url.query or url.fragment:
        return "must be a bare URL: no user, password, query or fragment"
    if url.scheme == "http" and has_credential and not _is_local(host):
        return "a key is only sent over https, or to this host"
    return None


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_agent(
    document: Document[AgentSpec], documents: DocumentSet
) -> Iterator[Diagnostic]:
    spec, origin = document.spec, document.origin
    is_bound = spec.model_ref == DEFAULT_MODEL
    if not is_bound and not documents.declares(Kind.MODEL_PROVIDER, spec.model_ref):
        message = f"no ModelProvider {spec.model_ref!r}"
        yield origin.diagnose(("spec", "modelRef"), message)
    for index, name in enumerate(spec.tool_refs):
        path = ("spec", "toolRefs", index)
        if not documents.declares(Kind.TOOL, name):
            yield origin.diagnose(path, f"no Tool {name!r}")
        if name in spec.tool_refs[:index]:
            yield origin.diagnose(path, f"{name!r} is given twice")
    for field in ("role", "goal", "backstory"):
        for variable in _VARIABLE.findall(getattr(spec, field)):
            message = f"no variables here: {{{variable}}} belongs in a task"
            yield origin.diagnose(("spec", field), message)


def _check_crew(
    document: Document[CrewSpec], documents: DocumentSet
) -> Iterator[Diagnostic]:
    spec, origin = document.spec, document.origin
    for index, name in enumerate(spec.guardrail_refs):
        if not documents.declares(Kind.GUARDRAIL_POLICY, name):
            message = f"no GuardrailPolicy {name!r}"
            yield origin.diagnose(("spec", "guardrailRefs", index), message)
    names = [task.name for task in spec.tasks]
    for index, task in enumerate(spec.tasks):
        path = ("spec", "tasks", index)
        is_last = index == len(spec.tasks) - 1
        problems = [
            *_check_task(task, earlier=names[:index], all_names=names),
            *_check_output(task, is_last=is_last),
            *_check_variables(task, spec.triggers),
        ]
        if not documents.declares(Kind.AGENT, task.agent):
            problems.append((("agent",), f"no Agent {task.agent!r}"))
        for place, message in problems:
            yield origin.diagnose((*path, *place), message)


def _check_task(
    task: TaskSpec, *, earlier: list[str], all_names: list[str]
) -> Iterator[tuple[Path, str]]:
    if task.name in earlier:
        yield ("name",), f"{task.name!r} is given twice"
    for index, name in enumerate(task.context):
        place = ("context", index)
        if name in task.context[:index]:
            yield place, f"{name!r} is given twice"
        elif name in earlier:
            continue
        elif name in all_names:
            yield place, f"{name!r} is not an earlier task"
        else:
            yield place, f"no task {name!r}"


def _check_output(task: TaskSpec, *, is_last: bool) -> Iterator[tuple[Path, str]]:
    is_reply = task.output is TaskOutput.REPLY
    if is_last and not is_reply:
        yield ("output",), "the last task must be the Reply"
    if not is_last and is_reply:
        yield ("output",), "only the last task is the Reply; others are Internal"
    if task.suggestions and not is_reply:
        yield ("suggestions",), "only the Reply offers suggestions"


def _check_variables(
    task: TaskSpec, triggers: tuple[Trigger, ...]
) -> Iterator[tuple[Path, str]]:
    known = ", ".join(f"{{{name}}}" for name in sorted(PROMPT_VARIABLES))
    for variable in _VARIABLE.findall(task.description):
        if variable not in PROMPT_VARIABLES:
            yield ("description",), f"unknown variable {{{variable}}}; known: {known}"
        elif variable == "message" and Trigger.OPENING in triggers:
            yield ("description",), "an opening has no {message}"
    for variable in _VARIABLE.findall(task.expected_output):
        message = f"no variables here: {{{variable}}} belongs in description"
        yield ("expectedOutput",), message


def _check_packages(
    documents: DocumentSet, packages: PackageTools
) -> Iterator[Diagnostic]:
    offered = frozenset[str]().union(*packages.values())
    for tool in documents.tools.values():
        if tool.spec.builtin not in offered:
            message = f"no agent package offers {tool.spec.builtin!r}"
            yield tool.origin.diagnose(("spec", "builtin"), message)
    for agent in documents.agents.values():
        package = agent.spec.package
        if package is None:
            continue
        if package not in packages:
            message = f"no agent package {package!r}"
            yield agent.origin.diagnose(("spec", "package"), message)
            continue
        for index, name in enumerate(agent.spec.tool_refs):
            known = documents.tools.get(name)
            if known and known.spec.builtin not in packages[package]:
                message = f"{name!r} is not a tool of package {package!r}"
                yield agent.origin.diagnose(("spec", "toolRefs", index), message)


def _check_triggers(crews: Iterable[Document[CrewSpec]]) -> Iterator[Diagnostic]:
    taken: dict[Trigger, str] = {}
    for crew in crews:
        for index, trigger in enumerate(crew.spec.triggers):
            first = taken.setdefault(trigger, crew.name)
            is_repeated = trigger in crew.spec.triggers[:index]
            if first != crew.name or is_repeated:
                message = f"{trigger.value} is already answered by crew {first!r}"
                path = ("spec", "triggers", index)
                yield crew.origin.diagnose(path, message)

"""What one document cannot know alone: names, order, variables, endpoints."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, assert_never
from urllib.parse import urlsplit

from libs.crewspec.compiled import (
    ModelProviderKind,
    StructuredOutput,
    TaskOutput,
    Trigger,
)
from libs.crewspec.diagnostics import Diagnostic, Path, Reason
from libs.crewspec.documents import (
    DEFAULT_MODEL,
    AgentSpec,
    AllowedNamespaces,
    Consent,
    CrewSpec,
    Kind,
    ModelProviderSpec,
    TaskSpec,
)
from libs.crewspec.loader import Document, DocumentSet
from libs.crewspec.packages import Packages

__all__ = ["PROMPT_VARIABLES", "endpoint_problem", "validate"]

PROMPT_VARIABLES: Final = frozenset({"message", "summary", "trigger"})
"""What a task's description may mention as {name}."""

# What the runtime replaces; JSON in a prompt does not look like this.
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def validate(
    documents: DocumentSet, packages: Packages | None = None
) -> list[Diagnostic]:
    """Return every mistake of a set, those of loading first.

    Without `packages` nothing is said about the tools behind names.
    """
    found = list(documents.diagnostics)
    for model in documents.models.values():
        found += _check_model(model)
        found += _check_consent(model)
    for tool in documents.tools.values():
        found += _check_consent(tool)
    for policy in documents.policies.values():
        found += _check_consent(policy)
    for agent in documents.agents.values():
        found += _check_agent(agent, documents)
        found += _check_consent(agent)
    for crew in documents.crews.values():
        found += _check_crew(crew, documents)
    found += _check_triggers(documents.crews.values())
    if packages is not None:
        found += _check_packages(documents, packages)
        found += _check_output_refs(documents, packages)
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
    if reference is None:
        return
    given = [reference.env, reference.file, reference.secret]
    if len(given) - given.count(None) != 1:
        message = "give one of env, file and secret"
        yield origin.diagnose(("spec", "credentialRef"), message)


def _check_simulated(spec: ModelProviderSpec) -> Iterator[tuple[str, str]]:
    if spec.endpoint is not None:
        yield "endpoint", "a simulated model has none"
    if spec.credential_ref is not None:
        yield "credentialRef", "a simulated model has none"
    if spec.structured_output is not StructuredOutput.NONE:
        yield "structuredOutput", "a simulated model needs none"


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
    if spec.model_ref != DEFAULT_MODEL:
        path: Path = ("spec", "modelRef")
        yield from _check_reference(
            documents,
            document,
            kind=Kind.MODEL_PROVIDER,
            reference=spec.model_ref,
            path=path,
        )
    for index, name in enumerate(spec.tool_refs):
        path = ("spec", "toolRefs", index)
        yield from _check_reference(
            documents, document, kind=Kind.TOOL, reference=name, path=path
        )
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
        path: Path = ("spec", "guardrailRefs", index)
        kind = Kind.GUARDRAIL_POLICY
        yield from _check_reference(
            documents, document, kind=kind, reference=name, path=path
        )
    names = [task.name for task in spec.tasks]
    for index, task in enumerate(spec.tasks):
        path = ("spec", "tasks", index)
        is_last = index == len(spec.tasks) - 1
        problems = [
            *_check_task(task, earlier=names[:index], all_names=names),
            *_check_output(task, is_last=is_last),
            *_check_variables(task, spec.triggers),
        ]
        for place, message in problems:
            yield origin.diagnose((*path, *place), message)
        place = (*path, "agent")
        yield from _check_reference(
            documents, document, kind=Kind.AGENT, reference=task.agent, path=place
        )


def _check_reference(
    documents: DocumentSet,
    document: Document[Any],
    *,
    kind: Kind,
    reference: str,
    path: Path,
) -> Iterator[Diagnostic]:
    key = documents.resolve(reference, document)
    target = documents.of_kind(kind).get(key)
    if target is None:
        if not documents.declares(kind, key):
            message = f"no {kind} {reference!r}"
            yield document.origin.diagnose(path, message, Reason.INVALID_REFERENCE)
        return
    allowed: AllowedNamespaces = target.spec.allowed_namespaces
    if not allowed.permits(document.namespace, own=target.namespace):
        message = (
            f"{kind} {reference!r} does not let namespace {document.namespace!r} use"
            " it; its allowedNamespaces decide"
        )
        reason = Reason.REFERENCE_NOT_PERMITTED
        yield document.origin.diagnose(path, message, reason)


def _check_consent(document: Document[Any]) -> Iterator[Diagnostic]:
    allowed: AllowedNamespaces = document.spec.allowed_namespaces
    if (allowed.from_ is Consent.NAMED) != bool(allowed.names):
        message = "names belong to `from: Named`, which needs some"
        yield document.origin.diagnose(("spec", "allowedNamespaces"), message)


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
    yield from _check_structure(task, is_reply=is_reply)


def _check_structure(task: TaskSpec, *, is_reply: bool) -> Iterator[tuple[Path, str]]:
    given = {"outputSchema": task.output_schema, "outputRef": task.output_ref}
    named = [name for name, schema in given.items() if schema is not None]
    if len(named) > 1:
        yield ("outputRef",), "give either outputSchema or outputRef"
    if named and is_reply:
        yield (named[0],), "a Reply is talk; only an Internal task has a schema"


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


def _check_packages(documents: DocumentSet, packages: Packages) -> Iterator[Diagnostic]:
    offered = frozenset[str]().union(*(known.tools for known in packages.values()))
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
            known = documents.tools.get(documents.resolve(name, agent))
            if known and known.spec.builtin not in packages[package].tools:
                message = f"{name!r} is not a tool of package {package!r}"
                yield agent.origin.diagnose(("spec", "toolRefs", index), message)


def _check_output_refs(
    documents: DocumentSet, packages: Packages
) -> Iterator[Diagnostic]:
    offered = frozenset[str]().union(*(known.outputs for known in packages.values()))
    for crew in documents.crews.values():
        for index, task in enumerate(crew.spec.tasks):
            if task.output_ref is None or task.output_ref in offered:
                continue
            message = f"no agent package offers {task.output_ref!r}"
            path = ("spec", "tasks", index, "outputRef")
            yield crew.origin.diagnose(path, message)


def _check_triggers(crews: Iterable[Document[CrewSpec]]) -> Iterator[Diagnostic]:
    taken: dict[Trigger, str] = {}
    for crew in crews:
        for index, trigger in enumerate(crew.spec.triggers):
            first = taken.setdefault(trigger, crew.name)
            is_repeated = trigger in crew.spec.triggers[:index]
            if first != crew.name or is_repeated:
                message = f"{trigger.value} is already answered by crew {first!r}"
                path = ("spec", "triggers", index)
                reason = Reason.TRIGGER_CONFLICT
                yield crew.origin.diagnose(path, message, reason)

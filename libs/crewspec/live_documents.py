"""From documents that are effective on the next run to what runs need of them."""

from collections.abc import Mapping
from dataclasses import replace

from libs.crewspec.compiled import ModelDocument, PolicyDocument, ToolDocument
from libs.crewspec.credentials import Credentials
from libs.crewspec.diagnostics import Diagnostic, Reason
from libs.crewspec.documents import GuardrailPolicySpec, ModelProviderSpec, ToolSpec
from libs.crewspec.loader import Document
from libs.crewspec.validator import endpoint_problem

__all__ = ["compile_model", "compile_policy", "compile_tool"]


def compile_model(
    document: Document[ModelProviderSpec],
    *,
    environment: Mapping[str, str],
    credentials: Credentials,
    diagnostics: list[Diagnostic],
) -> ModelDocument:
    """Compile a model's document; what is wrong with it is added to diagnostics.

    Variables that it names are read here; keys are not.
    """
    spec, names = document.spec, document.spec.environment
    endpoint = (names.endpoint and environment.get(names.endpoint)) or spec.endpoint
    if endpoint and endpoint != spec.endpoint:
        has_credential = spec.credential_ref is not None
        if problem := endpoint_problem(endpoint, has_credential=has_credential):
            path = ("spec", "environment", "endpoint")
            message = f"{names.endpoint}: {problem}"
            diagnostics.append(document.origin.diagnose(path, message))
    compiled = ModelDocument(
        name=document.name,
        generation=1,
        provider=spec.provider,
        model=(names.model and environment.get(names.model)) or spec.model,
        endpoint=endpoint,
        api_key_env=spec.credential_ref.env if spec.credential_ref else None,
        api_key_file=_key_file(document, endpoint, credentials, diagnostics),
        temperature_milli=spec.temperature_milli,
        max_output_tokens=spec.max_output_tokens,
        context_window=spec.context_window,
        connect_timeout_seconds=spec.connect_timeout_seconds,
        first_token_timeout_seconds=spec.first_token_timeout_seconds,
        idle_timeout_seconds=spec.idle_timeout_seconds,
        total_timeout_seconds=spec.total_timeout_seconds,
        max_retries=spec.max_retries,
        max_concurrent=spec.max_concurrent,
        requests_per_minute=spec.requests_per_minute,
        tokens_per_minute=spec.tokens_per_minute,
        structured_output=spec.structured_output,
    )
    if spec.tokens_per_second is None:
        return compiled
    return replace(compiled, tokens_per_second=spec.tokens_per_second)


def _key_file(
    document: Document[ModelProviderSpec],
    endpoint: str | None,
    credentials: Credentials,
    diagnostics: list[Diagnostic],
) -> str | None:
    reference = document.spec.credential_ref
    if reference is None:
        return None
    path = ("spec", "credentialRef")
    if reference.secret is None:
        if not credentials.allows_local:
            message = "here keys come from Secrets alone: name one in `secret`"
            diagnostics.append(document.origin.diagnose(path, message))
        return reference.file
    if problem := credentials.problem(reference.secret, endpoint):
        reason = Reason.SECRET_NOT_FOUND
        diagnostics.append(document.origin.diagnose(path, problem, reason))
        return None
    return str(credentials.path_of(reference.secret))


def compile_tool(document: Document[ToolSpec]) -> ToolDocument:
    """Compile a tool's document."""
    spec = document.spec
    return ToolDocument(
        name=document.name,
        generation=1,
        builtin=spec.builtin,
        title=spec.title,
        description=spec.description,
        timeout_seconds=spec.timeout_seconds,
        side_effects=spec.side_effects,
    )


def compile_policy(document: Document[GuardrailPolicySpec]) -> PolicyDocument:
    """Compile a policy's document."""
    spec = document.spec
    return PolicyDocument(
        name=document.name,
        generation=1,
        run_timeout_seconds=spec.run_timeout_seconds,
        max_tool_calls=spec.max_tool_calls,
        max_tool_argument_characters=spec.max_tool_argument_characters,
        max_tool_result_characters=spec.max_tool_result_characters,
        max_output_characters=spec.max_output_characters,
        max_completion_tokens=spec.max_completion_tokens,
        max_call_tokens=spec.max_call_tokens,
        max_input_characters=spec.max_input_characters,
        hidden_text=spec.hidden_text,
        secrets=spec.secrets,
        injections=spec.injections,
        blocked_output=frozenset(spec.blocked_output),
        denied_phrases=spec.denied_phrases,
    )

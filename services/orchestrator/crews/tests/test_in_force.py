"""What of the things told is put in force, what is refused, and what stays."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.crewspec.compiled import ModelDocument
from libs.crewspec.compiler import CompiledSet, compile_set
from libs.crewspec.credentials import Credential, Credentials
from libs.crewspec.documents import DEFAULT_MODEL
from libs.crewspec.loader import DocumentSet, load_directory
from libs.crewspec.packages import Packages, read_packages
from libs.crewspec.revision import digest_of
from libs.crewspec.tests.documents_of import load
from services import agents
from services.orchestrator.crews.in_force import InForce, SetCompiler
from services.orchestrator.crews.told import (
    Assignment,
    Refusal,
    Told,
    ToldDocument,
    ToldRevision,
    Update,
)
from services.orchestrator.tests.crews import DOCUMENTS
from services.orchestrator.tests.told_documents import (
    candidate_of,
    digest_in,
    revisions_of,
    told_documents,
    update_from,
    update_of,
)

_CONFIGS = Path("configs")
_CHANGED = DOCUMENTS.replace("You have helped many.", "You have helped a few.")
_PACKAGES = read_packages(Path(agents.__path__[0]))


def compiler(
    *,
    packages: Packages = _PACKAGES,
    credentials: Credentials | None = None,
    default_model: str = "simulated",
    environment: dict[str, str] | None = None,
) -> SetCompiler:
    """Make a compiler as a cluster's orchestrator has it."""
    return SetCompiler(
        default_model=default_model,
        environment=environment or {},
        credentials=credentials or Credentials(allows_local=False),
        packages=packages,
    )


class Served:
    """What updates lead to, one after the other."""

    def __init__(self, made: SetCompiler | None = None) -> None:
        self.compiler = made or compiler()
        self.told = Told()
        self.in_force = InForce()
        self.refusals: tuple[Refusal, ...] = ()

    def take(self, update: Update) -> CompiledSet:
        """Take an update in and give what is in force."""
        self.told = self.told.after(update)
        self.in_force, self.refusals = self.compiler.put(self.told, self.in_force)
        return self.in_force.compiled

    @property
    def why(self) -> str:
        """Say what is refused, all in one."""
        return "; ".join(refusal.detail for refusal in self.refusals)


@pytest.mark.parametrize("documents", [load_directory(_CONFIGS), load(DOCUMENTS)])
def test_files_and_the_stream_give_the_same_crews(documents: DocumentSet) -> None:
    """The same YAML: the same digests, compiled crews and documents."""
    from_files = compile_set(
        documents, default_model="simulated", environment={}, packages=_PACKAGES
    )
    served = Served()
    from_stream = served.take(update_from(documents, packages=_PACKAGES))
    local = {refusal.document for refusal in served.refusals}
    assert from_stream.crews == from_files.crews
    assert from_stream.live.tools == from_files.live.tools
    assert from_stream.live.policies == from_files.live.policies
    # Keys in variables are for those who own the process.
    assert from_stream.live.models == {
        name: model
        for name, model in from_files.live.models.items()
        if f"ModelProvider/{name}" not in local
    }
    assert all("keys come from Secrets" in str(one) for one in served.refusals)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (
            lambda told: replace(told, content=told.content.replace("coach", "coax")),
            "the content is not that of",
        ),
        (
            lambda told: replace(told, content="{}", digest=digest_of(b"{}")),
            "this is no revision",
        ),
        (lambda told: replace(told, content="[", digest=digest_of(b"[")), "Expecting"),
        (
            lambda told: replace(
                told,
                content=f"{told.content} ",
                digest=digest_of(f"{told.content} ".encode()),
            ),
            "not canonical",
        ),
        (
            lambda told: replace(told, packages={"coaching_assistant": "sha256:other"}),
            "needs agent package 'coaching_assistant' as sha256:other; installed is",
        ),
        (
            lambda told: replace(told, packages={"lawyer": "sha256:1"}),
            "no agent package 'lawyer' is installed",
        ),
    ],
)  # fmt: skip
def test_a_refused_revision_leaves_what_its_crew_served(
    change: Callable[[ToldRevision], ToldRevision], detail: str
) -> None:
    served = Served()
    before = served.take(update_of())
    bad = change(revisions_of(_CHANGED)["coaching"])
    good = revisions_of(_CHANGED)["welcome"]
    after = served.take(
        Update(
            assignments=(
                Assignment("coaching", bad.digest),
                Assignment("welcome", good.digest),
            ),
            revisions=(bad, good),
        )
    )
    [refusal] = served.refusals
    assert (refusal.crew, refusal.digest) == ("coaching", bad.digest)
    assert detail in refusal.detail
    assert after.crews["coaching"] == before.crews["coaching"]
    assert after.crews["welcome"].digest == good.digest


def test_a_refused_candidate_is_served_to_nobody() -> None:
    served = Served()
    before = served.take(update_of())
    update = candidate_of(
        _CHANGED, nonce=2, weight=50, stable=before.crews["coaching"].digest
    )
    bad = replace(update.revisions[0], packages={"lawyer": "sha256:1"})
    after = served.take(replace(update, revisions=(bad,)))
    assert (after.crews, dict(after.candidates)) == (before.crews, {})
    [refusal] = served.refusals
    assert refusal.digest == bad.digest


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (ToldDocument("Tool", "explain-framework", 2, "["), "its spec is no JSON"),
        (
            ToldDocument("Tool", "explain-framework", 2, '{"builtin": "explode"}'),
            "$.spec.title: Field required",
        ),
        (
            ToldDocument(
                "Tool",
                "explain-framework",
                2,
                '{"builtin": "explode", "title": "Boom", "description": "Boom"}',
            ),
            "no agent package offers 'explode'",
        ),
    ],
)
def test_a_refused_document_leaves_its_last_good_one(
    document: ToldDocument, detail: str
) -> None:
    served = Served()
    before = served.take(update_of())
    after = served.take(Update(documents=(document,)))
    [refusal] = served.refusals
    assert refusal.document == "Tool/explain-framework"
    assert detail in refusal.detail
    assert after == before
    [good] = [
        told for told in told_documents(DOCUMENTS, generation=3) if told.kind == "Tool"
    ]
    assert served.take(Update(documents=(good,))).live.tools[good.name].generation == 3
    assert served.refusals == ()


@pytest.mark.parametrize("kind", ["Agent", "Crew", "Pod"])
def test_only_live_documents_are_taken(kind: str) -> None:
    served = Served()
    served.take(Update(is_whole=True, documents=(ToldDocument(kind, "a", 1, "{}"),)))
    [refusal] = served.refusals
    assert "is no kind of live document" in refusal.detail


@pytest.mark.parametrize(
    ("gone", "detail"),
    [
        (("Tool", "explain-framework"), "no Tool 'explain-framework' is in force"),
        (("GuardrailPolicy", "strict"), "no GuardrailPolicy 'strict' is in force"),
        (
            ("ModelProvider", "simulated"),
            "no ModelProvider 'simulated' is in force, which is",
        ),
    ],
)
def test_a_revision_waits_for_what_it_names(gone: tuple[str, str], detail: str) -> None:
    served = Served()
    update = update_of()
    missing = [one for one in update.documents if one.key == gone]
    rest = tuple(one for one in update.documents if one.key != gone)
    after = served.take(replace(update, documents=rest))
    assert "coaching" not in after.crews
    assert {refusal.crew for refusal in served.refusals} >= {"coaching"}
    assert detail in served.why
    healed = served.take(Update(documents=tuple(missing)))
    assert served.refusals == ()
    assert healed == Served().take(update)


def test_a_document_that_is_gone_stays_while_what_is_served_names_it() -> None:
    served = Served()
    before = served.take(update_of())
    key = ("Tool", "explain-framework")
    after = served.take(Update(removed_documents=(key,)))
    assert after.live.tools == before.live.tools
    assert served.refusals == ()
    newer = revisions_of(_CHANGED)["coaching"]
    served.take(
        Update(assignments=(Assignment("coaching", newer.digest),), revisions=(newer,))
    )
    assert "no Tool 'explain-framework'" in served.why
    names = tuple(served.told.assignments)
    assert not served.take(Update(removed_crews=names)).live.tools


def test_what_is_in_force_is_not_judged_again() -> None:
    """A newer image may lack a package: what runs goes on until it is replaced."""
    served = Served()
    served.take(update_of(packages=_PACKAGES))
    served.compiler = compiler(packages={})
    after = served.take(replace(update_of(packages=_PACKAGES), documents=()))
    assert "coaching" in after.crews


def test_a_candidate_without_a_trusted_revision_is_in_force_for_probes_alone() -> None:
    served = Served()
    update = candidate_of(DOCUMENTS, nonce=1, weight=0, stable=None)
    documents = told_documents(DOCUMENTS)
    after = served.take(replace(update, is_whole=True, documents=documents))
    assert (dict(after.crews), list(after.candidates)) == ({}, ["coaching"])
    promoted = update.revisions[0].digest
    after = served.take(Update(assignments=(Assignment("coaching", promoted),)))
    assert after.crews["coaching"].digest == promoted
    assert not after.candidates


def test_references_to_the_home_namespace_are_bare_names() -> None:
    """A crew of another namespace names a tool, a policy and an agent at home."""
    text = DOCUMENTS.replace("[explain-framework]", "[vb/explain-framework]")
    text = text.replace("[strict]", "[vb/strict]")
    revision = revisions_of(text)["coaching"]
    elsewhere = replace(revision, crew="team/coaching")
    update = Update(
        is_whole=True,
        home="vb",
        assignments=(Assignment("team/coaching", elsewhere.digest),),
        revisions=(elsewhere,),
        documents=told_documents(text),
    )
    served = Served()
    crew = served.take(update).crews["team/coaching"]
    assert served.refusals == ()
    assert crew.policies == ("strict",)
    assert crew.agents["coach"].tools == ("explain-framework",)
    served = Served()
    served.take(replace(update, home="other"))
    assert "no Tool 'vb/explain-framework'" in served.why


_DECLARED = Credential.model_validate(
    {"secret": "llm", "key": "api-key", "allowedHosts": ["llm.example"]}
)


def hosted(reference: object, endpoint: str = "https://llm.example/v1") -> ToldDocument:
    """Tell a hosted model that refers to a key."""
    spec = {
        "provider": "OpenAICompatible",
        "model": "small",
        "endpoint": endpoint,
        "credentialRef": reference,
        "environment": {"endpoint": "LLM_BASE_URL"},
    }
    return ToldDocument("ModelProvider", "hosted", 1, json.dumps(spec))


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (hosted({"env": "OPENAI_API_KEY"}), "keys come from Secrets alone"),
        (hosted({"file": "/etc/passwd"}), "keys come from Secrets alone"),
        (hosted({"secret": {"name": "db", "key": "password"}}), "is not declared"),
        (hosted({"secret": {"name": "llm", "key": "other"}}), "is not declared"),
        (
            hosted({"secret": {"name": "llm", "key": "api-key"}}, "https://evil.example"),
            "may not be sent to 'evil.example'",
        ),
        (
            hosted({"secret": {"name": "llm", "key": "api-key"}}, "http://llm.example"),
            "a key is only sent over https",
        ),
    ],
)  # fmt: skip
def test_a_key_is_for_declared_hosts_alone(document: ToldDocument, detail: str) -> None:
    served = Served(compiler(credentials=Credentials((_DECLARED,), allows_local=False)))
    served.take(Update(is_whole=True, documents=(document,)))
    [refusal] = served.refusals
    assert refusal.document == "ModelProvider/hosted"
    assert detail in refusal.detail


def test_a_declared_key_is_a_file_of_the_mounted_secret() -> None:
    credentials = Credentials((_DECLARED,), Path("/run/keys"), allows_local=False)
    served = Served(compiler(credentials=credentials, default_model="hosted"))
    document = hosted({"secret": {"name": "llm", "key": "api-key"}})
    after = served.take(Update(is_whole=True, documents=(document,)))
    assert after.live.models["hosted"].api_key_file == "/run/keys/llm/api-key"
    bound: ModelDocument = after.live.models[DEFAULT_MODEL]
    assert bound == after.live.models["hosted"]


def test_a_variable_that_moves_the_endpoint_moves_no_key() -> None:
    served = Served(
        compiler(
            credentials=Credentials((_DECLARED,), allows_local=False),
            environment={"LLM_BASE_URL": "https://elsewhere.example/v1"},
        )
    )
    document = hosted({"secret": {"name": "llm", "key": "api-key"}})
    served.take(Update(is_whole=True, documents=(document,)))
    assert "may not be sent to 'elsewhere.example'" in served.why


_TEXTS = tuple(
    DOCUMENTS.replace("You have helped many.", f"You have helped {number}.")
    for number in range(3)
)
_REVISIONS = {
    (crew, number): revision
    for number, text in enumerate(_TEXTS)
    for crew, revision in revisions_of(text).items()
}
_ALL_DOCUMENTS = told_documents(DOCUMENTS)


@st.composite
def changes(draw: st.DrawFn) -> Update:
    """Any change of the crews and documents of the tests."""
    crews = draw(st.lists(st.sampled_from(["coaching", "welcome"]), unique=True))
    told: list[Assignment] = []
    revisions: list[ToldRevision] = []
    for crew in crews:
        stable, candidate = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
        has_stable, has_candidate = draw(st.tuples(st.booleans(), st.booleans()))
        named = {
            "stable_digest": _REVISIONS[crew, stable].digest if has_stable else "",
            "candidate_digest": (
                _REVISIONS[crew, candidate].digest if has_candidate else ""
            ),
        }
        told.append(
            Assignment(crew, **named, candidate_weight=draw(st.integers(0, 100)))
        )
        revisions += [_REVISIONS[crew, stable], _REVISIONS[crew, candidate]]
    documents = draw(
        st.lists(st.sampled_from(_ALL_DOCUMENTS), unique_by=lambda d: d.key)
    )
    removed = draw(
        st.lists(st.sampled_from([d.key for d in _ALL_DOCUMENTS]), max_size=1)
    )
    return Update(
        is_whole=draw(st.booleans()),
        assignments=tuple(told),
        removed_crews=tuple(draw(st.lists(st.sampled_from(["welcome"]), max_size=1))),
        revisions=tuple(revisions),
        documents=tuple(documents),
        removed_documents=tuple(removed),
    )


@given(st.lists(changes(), max_size=6))
@settings(max_examples=60, deadline=None)
def test_whatever_came_before_the_end_is_in_force_as_if_told_at_once(
    sequence: list[Update],
) -> None:
    """Whenever nothing of the end is refused, nothing of what went before is left."""
    served = Served()
    for update in sequence:
        served.take(update)
    at_once, refusals = served.compiler.put(served.told, InForce())
    if not refusals:
        assert served.refusals == ()
        assert served.in_force == at_once
    served.take(replace(update_of(), removed_crews=()))
    assert served.in_force.compiled == Served().take(update_of())


def test_the_trusted_digest_is_that_of_the_files() -> None:
    crew = Served().take(update_of()).crews["coaching"]
    assert crew.digest == digest_in(DOCUMENTS)

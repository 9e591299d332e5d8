"""Updates in any order of telling end in what one whole update would tell."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.orchestrator.crews.told import (
    Assignment,
    Told,
    ToldDocument,
    ToldRevision,
    Update,
    UpdateParts,
)
from services.orchestrator.errors import CrewStreamBrokenError
from services.orchestrator.tests.told_documents import split, update_of

_CREWS = st.sampled_from(["a", "b", "team/c"])
_DIGESTS = st.sampled_from(["", "sha256:1", "sha256:2", "sha256:3"])
_KEYS = st.tuples(st.sampled_from(["Tool", "ModelProvider"]), st.sampled_from("xyz"))


@st.composite
def assignments(draw: st.DrawFn) -> Assignment:
    """Any assignment."""
    return Assignment(
        crew=draw(_CREWS),
        stable_digest=draw(_DIGESTS),
        candidate_digest=draw(_DIGESTS),
        candidate_weight=draw(st.integers(0, 100)),
    )


@st.composite
def updates(draw: st.DrawFn) -> Update:
    """Any update that tells the revisions it names."""
    told = draw(st.lists(assignments(), max_size=3, unique_by=lambda one: one.crew))
    documents = draw(
        st.lists(
            st.builds(
                lambda key, generation: ToldDocument(key[0], key[1], generation, "{}"),
                _KEYS,
                st.integers(1, 3),
            ),
            max_size=3,
            unique_by=lambda one: one.key,
        )
    )
    return Update(
        is_whole=draw(st.booleans()),
        assignments=tuple(told),
        removed_crews=tuple(draw(st.lists(_CREWS, max_size=2))),
        revisions=tuple(
            ToldRevision(one.crew, digest, f"{one.crew} {digest}")
            for one in told
            for digest in one.digests
        ),
        documents=tuple(documents),
        removed_documents=tuple(draw(st.lists(_KEYS, max_size=2))),
    )


def whole(told: Told) -> Update:
    """Tell everything at once."""
    return Update(
        is_whole=True,
        home=told.home,
        assignments=tuple(told.assignments.values()),
        revisions=tuple(told.revisions.values()),
        documents=tuple(told.documents.values()),
    )


@given(st.lists(updates(), max_size=8))
@settings(deadline=None)
def test_any_sequence_ends_as_one_whole_update_of_its_end(
    sequence: list[Update],
) -> None:
    told = Told()
    for update in sequence:
        told = told.after(update)
    assert Told().after(whole(told)) == told
    assert told.after(whole(told)) == told
    assert not told.untold


@given(updates())
def test_parts_are_the_update(update: Update) -> None:
    parts = UpdateParts()
    removed = replace(
        Update(nonce=update.nonce, is_whole=update.is_whole, is_last=False),
        removed_crews=update.removed_crews,
        removed_documents=update.removed_documents,
    )
    *others, last = split(update)
    assert [parts.take(part) for part in (removed, *others)] == [None] * (
        len(others) + 1
    )
    assert parts.take(last) == update


def test_a_revision_that_comes_back_is_not_told_again() -> None:
    told = Told().after(update_of())
    first = told.assignments["coaching"].stable_digest
    other = ToldRevision("coaching", "sha256:2", "other")
    told = told.after(
        Update(assignments=(Assignment("coaching", other.digest),), revisions=(other,))
    )
    assert ("coaching", first) not in told.revisions
    told = told.after(Update(assignments=(Assignment("coaching", first),)))
    assert not told.untold


def test_revisions_that_serve_nobody_are_kept_within_a_bound() -> None:
    told = Told()
    for number in range(500):
        revision = ToldRevision("a", f"sha256:{number}", "")
        assignment = Assignment("a", revision.digest)
        told = told.after(Update(assignments=(assignment,), revisions=(revision,)))
    assert len(told.spare) == 200
    assert list(told.spare)[-1] == ("a", "sha256:498")
    told = told.after(Update(assignments=(Assignment("a", "sha256:1"),)))
    assert told.untold == {("a", "sha256:1")}


def test_parts_of_two_updates_do_not_mix() -> None:
    parts = UpdateParts()
    assert parts.take(Update(nonce=1, is_last=False)) is None
    with pytest.raises(CrewStreamBrokenError, match="update 1 has not ended"):
        parts.take(Update(nonce=2))


def test_an_update_is_bounded() -> None:
    parts = UpdateParts()
    huge = ToldRevision("a", "sha256:1", "x" * 90_000_000)
    part = Update(is_last=False, revisions=(huge,))
    assert parts.take(part) is None
    assert parts.take(part) is None
    with pytest.raises(CrewStreamBrokenError, match="too large"):
        parts.take(part)

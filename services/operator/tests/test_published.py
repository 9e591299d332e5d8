"""What streams are told when crews are served otherwise."""

from libs.crewspec.documents import Kind
from services.operator.plan import Assignment
from services.operator.published import LiveDocument, Published, PublishedRevision
from services.operator.stored_object import ObjectName

_OLD, _NEW = "sha256:old", "sha256:new"
_MILD = ObjectName(Kind.GUARDRAIL_POLICY, "mild")


def _revision(digest: str, *documents: ObjectName) -> PublishedRevision:
    return PublishedRevision(digest, "{}", {}, frozenset(documents))


def test_a_revision_is_kept_while_an_assignment_names_it() -> None:
    published = Published()
    published.assign(Assignment("coaching", _OLD, "", 0), [_revision(_OLD)])

    published.assign(Assignment("coaching", _OLD, _NEW, 10), [_revision(_NEW)])

    assert published.revision("coaching", _OLD).content == "{}"
    assert published.assignment("coaching") == Assignment("coaching", _OLD, _NEW, 10)


def test_a_revision_that_somebody_deleted_is_left_out() -> None:
    published = Published()

    published.assign(Assignment("coaching", _OLD, _NEW, 10), [_revision(_NEW)])

    assert published.assignment("coaching") == Assignment("coaching", "", _NEW, 10)
    assert published.assign(Assignment("coaching", _NEW, "", 0), [])
    assert published.assignment("coaching") == Assignment("coaching", _NEW, "", 0)


async def test_a_deleted_document_stays_while_a_served_revision_names_it() -> None:
    published = Published()
    published.put_document(LiveDocument(_MILD, 1, "{}"))
    published.assign(Assignment("coaching", _OLD, "", 0), [_revision(_OLD, _MILD)])
    early = published.subscribe()
    await early.next()

    published.withdraw_document(_MILD)

    late = await published.subscribe().next()
    assert [document.name for document in late.documents] == [_MILD]
    assert [document.name for document in published.stable().documents] == [_MILD]

    published.assign(Assignment("coaching", _NEW, "", 0), [_revision(_NEW)])

    news = await early.next()
    assert news.removed_documents == [_MILD]
    assert list(published.document_names()) == []


def test_a_document_that_came_back_is_not_forgotten() -> None:
    published = Published()
    published.put_document(LiveDocument(_MILD, 1, "{}"))
    published.assign(Assignment("coaching", _OLD, "", 0), [_revision(_OLD, _MILD)])
    published.withdraw_document(_MILD)
    published.put_document(LiveDocument(_MILD, 1, "{}"))

    published.withdraw("coaching")

    assert list(published.document_names()) == [_MILD]

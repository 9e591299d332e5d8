"""What streams are told when crews are served otherwise."""

from services.operator.plan import Assignment
from services.operator.published import Published, PublishedRevision

_OLD, _NEW = "sha256:old", "sha256:new"


def _revision(digest: str) -> PublishedRevision:
    return PublishedRevision(digest, "{}", {})


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

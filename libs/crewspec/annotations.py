"""What a person asks of a crew's roll-out, by annotations of the Crew."""

from enum import StrEnum
from typing import Final

__all__ = ["ANNOTATION_PREFIX", "RequestAnnotation"]

ANNOTATION_PREFIX: Final = "crew.venturebots.dev/"


class RequestAnnotation(StrEnum):
    """One request; the operator takes the annotation away once it was heeded."""

    APPROVE = "approve"
    """The digest or the name of the revision that may go on past its present step, or
    that failed and is tried again; "true" for whichever is under way."""
    ABORT = "abort"
    """The candidate, by digest, by name or by "true", is given up; the stable revision
    serves everybody."""
    ROLLBACK_TO = "rollback-to"
    """The digest or the name of a revision that is kept: it serves everybody again,
    until the spec changes."""
    PROBE = "probe"
    """Given "true", the probes of the newest revision are run anew: `status.lastProbe`
    tells how they went, and nothing is rolled back for it."""

    @property
    def key(self) -> str:
        """The annotation's full name."""
        return ANNOTATION_PREFIX + self.value

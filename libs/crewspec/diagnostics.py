"""What is wrong with a document, and where exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import override

__all__ = ["Diagnostic", "Origin", "Path", "Reason"]

Path = tuple[str | int, ...]
"""A place in a document: ("spec", "tasks", 1, "agent")."""


class Reason(StrEnum):
    """What kind of mistake it is; stable, in the words of Kubernetes' conditions."""

    INVALID_SPEC = "InvalidSpec"
    INVALID_REFERENCE = "InvalidReference"
    """It names what is not there."""
    REFERENCE_NOT_PERMITTED = "ReferenceNotPermitted"
    """It names what another namespace does not share."""
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, no password
    """It names a Secret that is not declared, or not there."""
    TRIGGER_CONFLICT = "TriggerConflict"
    """Another crew answers the same trigger."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: `path:line: $.spec.x: message`."""

    file: str
    line: int
    pointer: str
    message: str
    reason: Reason = Reason.INVALID_SPEC

    @override
    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.pointer}: {self.message}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document was read, with the line of each of its places."""

    file: str
    lines: Mapping[Path, int]

    def diagnose(
        self, path: Path, message: str, reason: Reason = Reason.INVALID_SPEC
    ) -> Diagnostic:
        """Point at a place, or at the nearest one around it that exists."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Diagnostic(
            file=self.file,
            line=self.lines.get(known, 1),
            pointer=_pointer(path),
            message=message,
            reason=reason,
        )


def _pointer(path: Path) -> str:
    return "$" + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in path
    )

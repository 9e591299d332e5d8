"""Who called the API server for what, as its audit log tells."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["AuditLog", "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and how it was answered."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    status: int

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> Self:
        """Read a line of the log."""
        about = event.get("objectRef", {})
        parts = (about.get("resource", ""), about.get("subresource", ""))
        return cls(
            user=event["user"]["username"],
            verb=event["verb"],
            resource="/".join(part for part in parts if part),
            namespace=about.get("namespace", ""),
            name=about.get("name", ""),
            status=event.get("responseStatus", {}).get("code", 0),
        )


class AuditLog:
    """The calls since this object was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        seen = path.stat()
        self._file, self._offset = seen.st_ino, seen.st_size

    def calls(
        self,
        *,
        user: str | None = None,
        verb: str | None = None,
        resource: str | None = None,
        namespace: str | None = None,
    ) -> list[Call]:
        """Return the calls of a user, verb, resource and namespace, each if named.

        A watch counts from its beginning, anything else when it was answered.
        """
        wanted = {
            "user": user,
            "verb": verb,
            "resource": resource,
            "namespace": namespace,
        }
        asked = {name: value for name, value in wanted.items() if value is not None}
        return [
            call
            for call in self._all()
            if all(getattr(call, name) == value for name, value in asked.items())
        ]

    def _all(self) -> Iterator[Call]:
        seen = set()
        for line in self._lines():
            event = json.loads(line)
            # What lasts has a line for its beginning and one for its end.
            if event["auditID"] not in seen:
                seen.add(event["auditID"])
                yield Call.from_event(event)

    def _lines(self) -> Iterator[str]:
        """Read whole lines; a file that was put in the log's place is all new."""
        with self._path.open() as file:
            if self._path.stat().st_ino == self._file:
                file.seek(self._offset)
            yield from (line for line in file if line.endswith("\n"))

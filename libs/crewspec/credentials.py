"""Keys from Secrets, and the hosts each may be sent to.

The platform declares them (the charts' value `credentials`); a document can only
name what is declared. Whoever may edit a model's endpoint cannot send a key
elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field

from libs.crewspec.documents import SecretRef
from libs.crewspec.schema import Schema

__all__ = ["NO_CREDENTIALS", "Credential", "Credentials"]

_Host = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)
]


class Credential(Schema):
    """One key of a Secret of the release's namespace and where it may go."""

    secret: str
    key: str
    allowed_hosts: Annotated[tuple[_Host, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is declared; `directory` holds `<secret>/<key>` for those that send it.

    `allows_local` lets documents name variables and files of the process, as on a
    laptop, where whoever writes documents owns the process too.
    """

    declared: Sequence[Credential] = ()
    directory: Path = Path("/var/run/venturebots/credentials")
    allows_local: bool = True

    def problem(self, reference: SecretRef, endpoint: str | None) -> str | None:
        """Tell why a key cannot be sent to an endpoint, or None."""
        named = f"key {reference.key!r} of Secret {reference.name!r}"
        entry = self._entry(reference)
        if entry is None:
            return (
                f"{named} is not declared: add"
                f" {{secret: {reference.name}, key: {reference.key},"
                " allowedHosts: […]} to the value global.credentials of the chart"
            )
        host = urlsplit(endpoint or "").hostname
        if host in entry.allowed_hosts:
            return None
        allowed = ", ".join(entry.allowed_hosts)
        return f"{named} may not be sent to {host!r}; its allowedHosts: {allowed}"

    def path_of(self, reference: SecretRef) -> Path:
        """Return the file that holds a key."""
        return self.directory / reference.name / reference.key

    def _entry(self, reference: SecretRef) -> Credential | None:
        for entry in self.declared:
            if (entry.secret, entry.key) == (reference.name, reference.key):
                return entry
        return None


NO_CREDENTIALS: Final = Credentials()

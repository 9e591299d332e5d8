"""What is served when the operator does not answer: two files, never merged.

The last good set is written here after updates; the bootstrap file is the operator's,
mounted beside the process. Both hold one format, see `clients/crew_update.py`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from services.orchestrator.clients.crew_update import (
    trusted_from_json,
    trusted_to_json,
)
from services.orchestrator.crews.in_force import InForce
from services.orchestrator.crews.told import Told

__all__ = ["FallbackFiles"]

_logger = structlog.get_logger(__name__)
_NAME: Final = "last-known-good.json"
_MAX_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FallbackFiles:
    """A directory of this process alone, and a file that somebody else writes."""

    state_directory: Path
    bootstrap_file: Path | None

    def read(self) -> Iterator[tuple[str, Told]]:
        """Give what the files hold, the most recent first, each by its source's name.

        One that is missing, damaged or somebody else's is passed over.
        """
        kept = self.state_directory / _NAME
        if (told := _read(kept, must_be_own=True)) is not None:
            yield f"last-known-good:{kept}", told
        mounted = self.bootstrap_file
        if mounted is not None and (told := _read(mounted, must_be_own=False)):
            yield f"bootstrap:{mounted}", told

    def write(self, in_force: InForce) -> None:
        """Keep the trusted revisions in force in the place of earlier ones.

        Whoever reads the file finds one set or the other, never a part. What cannot
        be written is logged.
        """
        if not in_force.stable:
            return
        try:
            self._replace(trusted_to_json(in_force))
        except OSError as error:
            _logger.warning("last good crews not kept", error=str(error))

    def _replace(self, text: str) -> None:
        directory = self.state_directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = directory / f"{_NAME}.{os.getpid()}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        draft.replace(directory / _NAME)


def _read(path: Path, *, must_be_own: bool) -> Told | None:
    try:
        _check(path.stat(), must_be_own=must_be_own)
        return Told().after(trusted_from_json(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _logger.warning(
            "crews kept in a file not used", path=str(path), error=str(error)
        )
        return None


def _check(found: os.stat_result, *, must_be_own: bool) -> None:
    # A shared /tmp: what another user put there is not what was kept here.
    if must_be_own and found.st_uid != os.getuid():
        raise ValueError("it belongs to another user")
    if found.st_size > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES:,} bytes")

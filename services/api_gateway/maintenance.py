"""What an operator does to a database: check it, copy it, put a copy back."""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from services.api_gateway.errors import CopyRefusedError, StoreUnavailableError
from services.api_gateway.store_sql import (
    back_up,
    check,
    default_target,
    newest_copy,
    restore,
    thin_out,
)

__all__ = ["Maintenance", "Outcome", "maintain"]


class Maintenance(StrEnum):
    """What can be done."""

    VERIFY = "verify"
    BACKUP = "backup"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to print, and whether it is what was hoped for."""

    lines: list[str]
    is_good: bool = True


def maintain(
    what: Maintenance,
    database: Path,
    *,
    target: Path | None = None,
    copy: Path | None = None,
    keep: int | None = None,
) -> Outcome:
    """Check, copy (to `target`) or put back (`copy`) a database.

    A target that is a folder gets a copy named by the time, of which `keep` stay;
    of a folder the newest copy is put back. Raises `CopyRefusedError`,
    `StoreLockedError`, `SchemaTooNewError`, and `StoreUnavailableError` when the
    database cannot be read.
    """
    try:
        match what:
            case Maintenance.VERIFY:
                return _verify(database)
            case Maintenance.BACKUP:
                return _back_up(database, target, keep)
            case Maintenance.RESTORE:
                return _restore(database, copy)
            case _:
                assert_never(what)
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"{database} cannot be read ({error})") from error


def _verify(database: Path) -> Outcome:
    findings = check(database)
    total = f"{database}: {len(findings)} contradictions"
    return Outcome([*findings, total], is_good=not findings)


def _back_up(database: Path, target: Path | None, keep: int | None) -> Outcome:
    if target is None or target.is_dir():
        target = default_target(database, target)
    elif keep is not None:
        raise CopyRefusedError(f"{target} is no folder: --keep counts copies in one")
    back_up(database, target)
    told = [f"{target}: {target.stat().st_size:,} bytes, checked"]
    if keep is not None:
        gone = thin_out(database, target.parent, keep=keep)
        told += [f"{copy}: removed, {keep} newer ones stay" for copy in gone]
    return Outcome(told)


def _restore(database: Path, copy: Path | None) -> Outcome:
    if copy is None:
        raise CopyRefusedError("say which copy is to be restored: --from, or FROM=")
    if copy.is_dir():
        copy = newest_copy(database, copy)
    kept = restore(database, copy)
    told = [f"{database}: restored from {copy}; clients begin with a new epoch"]
    if kept is not None:
        told.append(f"{kept}: what was there before")
    return Outcome(told)

"""An operator checks, copies and puts back a database, and is told what was done."""

from pathlib import Path

import pytest

from services.api_gateway.errors import CopyRefusedError, StoreUnavailableError
from services.api_gateway.maintenance import Maintenance, maintain
from services.api_gateway.store_sql import open_store


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """A database that is not in use."""
    path = tmp_path / "venturebots.db"
    store = await open_store(
        path=path, publish=lambda _events: None, end_stream=lambda _stream: None
    )
    await store.create_founder("hash")
    await store.aclose()
    return path


def test_a_sound_database_has_no_contradictions(database: Path) -> None:
    outcome = maintain(Maintenance.VERIFY, database)
    assert outcome.is_good
    assert outcome.lines == [f"{database}: 0 contradictions"]


def test_a_copy_without_a_name_goes_beside_the_database_and_back(
    database: Path,
) -> None:
    assert "checked" in maintain(Maintenance.BACKUP, database).lines[0]
    (copy,) = (database.parent / "backups").iterdir()
    told = maintain(Maintenance.RESTORE, database, copy=copy).lines
    assert "new epoch" in told[0]
    assert ".replaced-" in told[1]
    assert maintain(Maintenance.VERIFY, database).is_good


def test_a_folder_keeps_its_newest_copies_and_gives_the_newest_back(
    database: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    foreign = folder / "venturebots-by-hand.db"
    foreign.touch()
    for _ in range(2):
        maintain(Maintenance.BACKUP, database, target=folder, keep=2)
    _, gone = maintain(Maintenance.BACKUP, database, target=folder, keep=2).lines

    assert "removed, 2 newer ones stay" in gone
    older, newest = sorted(set(folder.iterdir()) - {foreign})
    assert older.name not in gone
    restored = maintain(Maintenance.RESTORE, database, copy=folder).lines
    assert f"restored from {newest};" in restored[0]


def test_what_cannot_be_done_is_said(database: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CopyRefusedError, match="there is no copy of"):
        maintain(Maintenance.RESTORE, database, copy=tmp_path / "empty")
    with pytest.raises(CopyRefusedError, match="--keep counts copies in one"):
        maintain(Maintenance.BACKUP, database, target=tmp_path / "a.db", keep=1)
    with pytest.raises(CopyRefusedError, match="--from"):
        maintain(Maintenance.RESTORE, database)
    with pytest.raises(StoreUnavailableError, match="cannot be read"):
        maintain(Maintenance.VERIFY, database.with_name("nothing.db"))

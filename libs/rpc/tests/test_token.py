"""The token that a start on one machine makes for itself."""

import stat
from pathlib import Path

from libs.rpc import BearerToken
from libs.rpc.token import make_token


def test_a_token_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"

    assert make_token(path) is True
    made = path.read_text()
    assert make_token(path) is False

    assert path.read_text() == made
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert [entry.name for entry in tmp_path.iterdir()] == ["token"]


def test_a_file_that_a_power_cut_left_empty_is_no_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch()

    assert make_token(path) is True

    assert BearerToken(path).is_shown_in(BearerToken(path).metadata())


def test_two_machines_make_different_tokens(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    make_token(first)
    make_token(second)

    assert first.read_text() != second.read_text()


def test_what_is_made_is_a_token_callers_can_show(tmp_path: Path) -> None:
    path = tmp_path / "token"
    make_token(path)

    assert BearerToken(path).is_shown_in(BearerToken(path).metadata())

"""Commands on files, as somebody types them."""

import json
from pathlib import Path

import pytest
import yaml

from libs.cli.app import main
from libs.crewspec.loader import load_texts
from libs.crewspec.revision import digest_of
from libs.crewspec.tests.documents_of import VALID, changed
from libs.crewspec.validator import validate

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of sound documents, alone in its folder."""
    path = tmp_path / "crews" / "crews.yaml"
    path.parent.mkdir()
    path.write_text(VALID, "utf-8")
    return path


def test_mistakes_are_told_by_place_and_by_exit_code(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crews", "validate", str(file)]) == 0
    assert capsys.readouterr().err == "6 documents, no mistakes\n"
    file.write_text(changed("goal: Help", "gaol: Help"), "utf-8")
    assert main(["crews", "validate", str(file.parent)]) == 1
    told = capsys.readouterr()
    assert f"{file}:31: $.spec.gaol: unknown field\n" in told.out
    assert told.err == "2 mistakes\n"
    assert main(["crews", "validate", str(file), "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["line"], one["pointer"]) for one in found] == [
        (29, "$.spec.goal"),
        (31, "$.spec.gaol"),
    ]


@pytest.mark.parametrize("name", ["none", "none.yaml"])
def test_what_is_not_there_is_a_mistake(tmp_path: Path, name: str) -> None:
    assert main(["crews", "validate", str(tmp_path / name)]) == 1
    assert main(["crews", "compile", str(tmp_path / name)]) == 1


def test_a_file_that_is_named_twice_is_read_once(file: Path) -> None:
    assert main(["crews", "validate", str(file), str(file.parent)]) == 0


def test_tools_are_checked_where_packages_are_named(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--packages", str(_ROOT / "services" / "agents")]
    assert main(["crews", "validate", str(_ROOT / "configs"), *own]) == 0
    assert main(["crews", "validate", str(file), *own]) == 1
    assert "no agent package offers 'look_up'" in capsys.readouterr().out
    assert main(["crews", "validate", str(file), "--packages", str(tmp_path)]) == 2
    assert "no <package>/manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["crews"], ["crews", "invent"], ["crews", "diff", "one"]]
)
def test_a_wrong_command_line_is_told(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_the_content_is_what_the_digest_is_of(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crews", "compile", str(file)]) == 0
    _, line = capsys.readouterr().out.splitlines()
    name, digest = line.split()
    assert main(["crews", "compile", str(file), "-o", "json"]) == 0
    compiled = json.loads(capsys.readouterr().out)
    content = json.dumps(
        compiled[name]["content"],
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    assert compiled[name]["digest"] == digest == digest_of(content.encode())


def test_what_is_compiled_can_be_applied_and_is_the_same_crew(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file.parent / "goal.md").write_text("Help\n\nand listen\n", "utf-8")
    file.write_text(changed("goal: Help", "goal: {file: goal.md}"), "utf-8")
    assert main(["crews", "compile", str(file)]) == 0
    digests = capsys.readouterr().out
    assert main(["crews", "compile", str(file), "-o", "yaml"]) == 0
    written = capsys.readouterr().out
    assert "goal: |-\n    Help\n" in written
    assert validate(load_texts({"x.yaml": written})) == []
    file.write_text(written, "utf-8")
    assert main(["crews", "compile", str(file)]) == 0
    assert capsys.readouterr().out == digests


def test_equal_sets_do_not_differ(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crews", "diff", str(file), str(file.parent)]) == 0
    assert capsys.readouterr().out == ""


def test_a_difference_is_told_by_digest_and_by_field(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.yaml"
    text = changed("goal: Help", "goal: Help more").replace("maxToolCalls: 2", "")
    other.write_text(text, "utf-8")
    assert main(["crews", "diff", str(file), str(other)]) == 1
    told = capsys.readouterr().out
    assert told.startswith("Crew/coaching: sha256:")
    assert "--- Agent/coach spec.goal\n" in told
    assert "-Help\n+Help more\n" in told
    assert "+++ /dev/null\n@@ -1 +0,0 @@\n-2\n" in told
    assert main(["crews", "diff", str(file), str(other), "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (crew,) = found["crews"]
    assert crew["old"] != crew["new"]
    assert [field["field"] for field in found["fields"]] == [
        "spec.maxToolCalls",
        "spec.goal",
    ]


def test_crews_that_come_and_go_and_tasks_that_move_are_told(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = list(yaml.safe_load_all(VALID))
    crew = documents[-1]
    other = tmp_path / "other.yaml"
    crew["metadata"]["name"] = "renamed"
    other.write_text(yaml.safe_dump_all(documents), "utf-8")
    assert main(["crews", "diff", str(file), str(other)]) == 1
    told = capsys.readouterr().out
    assert "→ gone" in told
    assert "Crew/renamed: new → sha256:" in told

    internal = {**crew["spec"]["tasks"][0], "name": "plan"}
    crew["metadata"]["name"] = "coaching"
    crew["spec"]["tasks"].insert(0, internal)
    other.write_text(yaml.safe_dump_all(documents), "utf-8")
    assert main(["crews", "diff", str(file), str(other), "-o", "json"]) == 1
    fields = {one["field"] for one in json.loads(capsys.readouterr().out)["fields"]}
    assert "spec.tasks[]" in fields
    assert "spec.tasks[plan].name" in fields
    assert not any("[reply]" in field for field in fields)


def test_a_set_with_mistakes_is_not_compared(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(changed("goal: Help", "goal: 3"), "utf-8")
    assert main(["crews", "diff", str(file), str(other)]) == 1
    told = capsys.readouterr()
    assert (told.out, "spec.goal" in told.err) == ("", True)

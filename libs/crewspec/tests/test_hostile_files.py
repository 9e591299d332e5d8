"""Whatever lies in a directory of documents, it is told with its file and line."""

import os
import time
from pathlib import Path

import pytest

from libs.crewspec.compiler import InvalidDocumentsError, compile_set
from libs.crewspec.loader import load_directory
from libs.crewspec.tests.documents_of import VALID, changed, load
from libs.crewspec.validator import validate

_DEEP = 20_000


def told(root: Path) -> list[str]:
    """Load a directory and list what is wrong, in front of the file's folder."""
    documents = load_directory(root)
    diagnostics = validate(documents)
    assert all(diagnostic.line >= 1 for diagnostic in diagnostics)
    return [str(diagnostic).removeprefix(f"{root}/") for diagnostic in diagnostics]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * _DEEP, "nested too deeply"),
        ("- " * _DEEP + "a", "nested too deeply"),
        ("".join(" " * depth + "a:\n" for depth in range(600)), "nested too deeply"),
        ("a: {" * 900 + "}" * 900, "nested too deeply"),
        ("x" * 200_001, "longer than 200,000 characters"),
        ("a: &a [x]\nb: *a\n", "aliases are not allowed"),
        ("a: &a [*a]\n", "aliases are not allowed"),
        ("<<: {kind: Crew}\n", "a key must be plain text"),
        ("kind: Crew\nkind: Agent\n", "is given twice"),
        ("? [a]\n: b\n", "a key must be plain text"),
        ("a: !!python/object/apply:os.system [ls]\n", "is not allowed"),
        ("a: !!python/name:os.system x\n", "not YAML"),
        ("a: !!set {x, y}\n", "is not allowed"),
        ("a: " + "9" * 5_000, "not YAML"),
        ("a: 2026-99-99\n", "not YAML"),
        ('"\\ud800": 1\n', "a key must be plain text"),
        ("apiVersion: x\n---\n\t- broken", "not YAML"),
        ("\x00", "not YAML"),
        ("just text", "must be a mapping"),
        ("- a\n- list", "must be a mapping"),
    ],
)
def test_hostile_text_is_a_diagnostic_and_soon(text: str, expected: str) -> None:
    began = time.process_time()
    found = [str(diagnostic) for diagnostic in validate(load(text))]
    assert any(expected in line for line in found)
    assert all(line.startswith("crews.yaml:") for line in found)
    assert time.process_time() - began < 30


def test_aliases_do_not_multiply() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"b{level}: &b{level} [{', '.join([f'*b{level - 1}'] * 9)}]\n"
        if level
        else "b0: &b0 [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        for level in range(40)
    )
    assert len(validate(load(bomb))) <= 500


def test_text_that_is_no_text_cannot_be_encoded_into_a_prompt() -> None:
    found = validate(load(changed("goal: Help", 'goal: "\\ud800"')))
    assert [diagnostic.pointer for diagnostic in found] == ["$.spec.goal"]


@pytest.mark.parametrize(
    "name", ["../secret.md", "/etc/passwd", "a/../../secret.md", "link.md", "loop.md"]
)
def test_a_prompt_is_read_from_below_its_document_only(
    tmp_path: Path, name: str
) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("the secret", "utf-8")
    root = tmp_path / "configs"
    (root / "a").mkdir(parents=True)
    (root / "link.md").symlink_to(secret)
    (root / "loop.md").symlink_to(root / "loop.md")
    text = changed("goal: Help", f"goal: {{file: {name}}}")
    (root / "crews.yaml").write_text(text, "utf-8")
    line = text[: text.index("goal:")].count("\n") + 1
    (found,) = told(root)
    assert found.startswith(f"crews.yaml:{line}: $.spec.goal: ")
    assert "the secret" not in found


@pytest.mark.parametrize("name", ['"a\\0b"', '"\\ud800"', "nowhere.md", "pipe", "."])
def test_a_prompt_that_is_no_file_is_told_and_never_waited_for(
    tmp_path: Path, name: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = changed("goal: Help", f"goal: {{file: {name}}}")
    (tmp_path / "crews.yaml").write_text(text, "utf-8")
    found = told(tmp_path)
    assert found
    assert all("$.spec.goal" in line for line in found)


def test_what_is_no_readable_file_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "crews.yaml").write_text(VALID, "utf-8")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\xfe")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 900_000)
    found = told(tmp_path)
    names = ["folder", "gone", "huge", "latin", "loop", "pipe"]
    assert [line.partition(".")[0] for line in found] == names


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_an_emptied_file_is_told_and_takes_no_crew_away(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "all.yaml").write_text(VALID)
    (tmp_path / "notes.yaml").write_text("# Nothing yet.\n")
    (tmp_path / "more.yaml").write_text(text)
    assert told(tmp_path) == ["more.yaml:1: $: is empty"]


def test_a_mounted_configmap_is_read_once(tmp_path: Path) -> None:
    """Its files are links into a hidden folder that is swapped as a whole."""
    version = tmp_path / "..2026_03_01"
    version.mkdir()
    (version / "crews.yaml").write_text(VALID, "utf-8")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "crews.yaml").symlink_to("..data/crews.yaml")
    assert told(tmp_path) == []


def test_folders_that_lead_to_themselves_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "crews.yaml").write_text(VALID, "utf-8")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert told(tmp_path) == []


def test_too_many_files_are_told_and_not_read(tmp_path: Path) -> None:
    for number in range(1_001):
        (tmp_path / f"{number}.yaml").write_text("# Nothing.\n")
    assert told(tmp_path) == [f"{tmp_path}:1: $: more than 1,000 files: 1,001"]


@pytest.mark.parametrize(
    "name", ["cöach", "Coach", "co ach", "\uff43oach", "co\u200bach"]
)
def test_a_name_is_plain_lower_case(name: str) -> None:
    text = changed("metadata: {name: coach}", f"metadata: {{name: {name}}}")
    found = validate(load(text))
    assert "$.metadata.name" in {diagnostic.pointer for diagnostic in found}


def test_a_task_cannot_wait_for_itself_or_for_one_that_follows() -> None:
    for context in ("[reply]", "[think, think]", "[nobody]"):
        text = changed("context: [think]", f"context: {context}")
        with pytest.raises(InvalidDocumentsError):
            compile_set(load(text), default_model="simulated", environment={})

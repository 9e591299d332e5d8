"""The documents tell the truth: links, paths, commands."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.architecture.sources import ROOT, lines_of, text_of
from tests.documents import Block, Runner, blocks, documents, is_picture

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_MAKE = re.compile(r"`make (?P<target>[a-z0-9-]+)")
_TARGET = re.compile(r"^(?P<target>[a-z0-9-]+):", re.MULTILINE)
_PATH_CELL = re.compile(r"`(?P<path>[\w./-]+/[\w./-]*\w)`")
_TURN = Path("docs/architecture/chat-turn.md")
_RULES = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
_SCREEN_LINES = 60


def _id(block: Block) -> str:
    return block.place


def test_every_code_block_names_the_stage_that_runs_it() -> None:
    tags = {f"run={runner}" for runner in Runner}

    assert [
        block.place
        for block in blocks()
        if not is_picture(block) and block.tag not in tags
    ] == []


@pytest.mark.parametrize("block", blocks(Runner.ARCHITECTURE), ids=_id)
def test_a_block_for_the_architecture_stage_resolves(block: Block) -> None:
    match block.language:
        case "json":
            json.loads(block.body)
        case "yaml":
            list(yaml.safe_load_all(block.body))
        case "toml":
            tomllib.loads(block.body)
        case "bash":
            for command in block.body.strip().splitlines():
                _resolve(command.partition("#")[0].split())
        case other:
            pytest.fail(f"{block.place}: nothing here resolves {other!r}")


@pytest.mark.parametrize("block", blocks(Runner.CI), ids=_id)
def test_a_block_for_ci_is_what_ci_runs(block: Block) -> None:
    assert f"exec {block.body.strip()}" in lines_of(Path(".ci/run"))


def test_the_workflow_runs_make_targets_only() -> None:
    workflow = yaml.safe_load(text_of(Path(".github/workflows/ci.yaml")))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]

    assert commands
    assert [command for command in commands if not command.startswith("make ")] == []


def test_every_make_target_the_documents_name_exists() -> None:
    targets = set(_TARGET.findall(text_of(Path("Makefile"))))

    assert [
        f"{path}: make {found['target']}"
        for path in documents()
        for found in _MAKE.finditer(text_of(path))
        if found["target"] not in targets
    ] == []


def test_every_relative_link_leads_somewhere() -> None:
    assert [
        f"{path}: {found['target']}"
        for path in documents()
        for found in _LINK.finditer(text_of(path))
        if not _leads_somewhere(path, found["target"])
    ] == []


def test_every_file_of_the_chat_turn_exists() -> None:
    rows = [line for line in lines_of(_TURN) if re.match(r"\| \d", line)]
    named = [path for row in rows for path in _PATH_CELL.findall(row)]

    assert len(rows) >= 15
    assert [row for row in rows if not _PATH_CELL.search(row)] == []
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("path", _RULES, ids=lambda path: path.stem)
def test_a_decision_fits_a_screen_and_names_its_check(path: Path) -> None:
    text = path.read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)

    assert headings == ["Context", "Decision", "Consequences", "Alternatives", "Check"]
    assert len(text.splitlines()) <= _SCREEN_LINES
    checks = _PATH_CELL.findall(text.partition("## Check")[2])
    assert checks
    assert [check for check in checks if not (ROOT / check).exists()] == []


def _resolve(words: list[str]) -> None:
    assert words[0] == "make", words
    subprocess.run(
        [*words, "--dry-run"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


def _leads_somewhere(path: Path, target: str) -> bool:
    if "://" in target or target.startswith("mailto:"):
        return True
    name, _, anchor = target.partition("#")
    file = (ROOT / path).parent / name if name else ROOT / path
    if not file.exists():
        return False
    return not anchor or anchor in _anchors(file)


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    # GitHub's rule: letters, digits, hyphens and underscores stay, spaces turn.
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }

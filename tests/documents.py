"""The code blocks of the documents, each tagged with the stage that runs it.

A block opens with a language and a tag: three backticks, `bash run=integration`.

- `start`: the integration stage starts the stack with it.
- `integration`: the integration stage runs it beside that stack, file by file
  and in order, in one shell per file.
- `ci`: `.ci/run` ends in it.
- `cluster`: the tests on a cluster run it, file by file and in order.
- `images`: the images stage runs it, file by file and in order, on what compose
  started.
- `architecture`: the architecture stage resolves it: `make` commands by a dry
  run, JSON, YAML and TOML by parsing.

Pictures are `text` and carry no tag.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.architecture.sources import files, text_of

_FENCE = re.compile(
    r"^(?P<fence>```+)(?P<opening>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_PICTURE = "text"


class Runner(StrEnum):
    """The stage that runs a block."""

    START = "start"
    INTEGRATION = "integration"
    CI = "ci"
    CLUSTER = "cluster"
    IMAGES = "images"
    ARCHITECTURE = "architecture"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it stands, its language and tag as written."""

    path: Path
    line: int
    language: str
    tag: str
    body: str

    @property
    def place(self) -> str:
        """The file and line, as editors understand them."""
        return f"{self.path}:{self.line}"


def documents() -> list[Path]:
    """List the Markdown files of the repository, prompts aside."""
    return [
        path
        for path in files()
        if path.suffix == ".md" and path.parts[0] not in {"configs", "services"}
    ]


def blocks(*runners: Runner) -> list[Block]:
    """List the blocks of all documents; with these tags, when some are named."""
    tags = {f"run={runner}" for runner in runners}
    found = [block for path in documents() for block in _blocks_of(path)]
    return [block for block in found if not tags or block.tag in tags]


def is_picture(block: Block) -> bool:
    """Tell whether a block is a drawing, which nothing runs."""
    return block.language == _PICTURE


def _blocks_of(path: Path) -> list[Block]:
    text = text_of(path)
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        language, _, tag = match["opening"].strip().partition(" ")
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(path, line, language, tag.strip(), match["body"]))
    return found

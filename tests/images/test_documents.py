"""The commands of the documents, run as a reader would."""

import subprocess
from itertools import groupby

import pytest

from libs.testing.stack import REPOSITORY
from tests.documents import Block, Runner, blocks
from tests.images.composition import Composition

_WRITTEN = "127.0.0.1:8080"
_SCRIPT_SECONDS = 240
_SCRIPTS = [
    list(group) for _, group in groupby(blocks(Runner.IMAGES), key=lambda b: b.path)
]


@pytest.mark.timeout(_SCRIPT_SECONDS + 200)
@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda script: str(script[0].path))
def test_the_commands_of_a_document_do_what_it_says(
    product: Composition, script: list[Block]
) -> None:
    commands = "\n".join(block.body for block in script)
    address = product.url.removeprefix("http://")
    done = subprocess.run(
        ["bash", "-euc", commands.replace(_WRITTEN, address)],  # noqa: S607 - the reader's shell
        cwd=REPOSITORY,
        env=product.environment | {"COMPOSE_PROJECT_NAME": product.name},
        capture_output=True,
        text=True,
        timeout=_SCRIPT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "<title>" in done.stdout
    assert "0 contradictions" in done.stdout

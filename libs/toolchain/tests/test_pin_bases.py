"""Base images are pinned to digests that a registry told, or not at all."""

from pathlib import Path

import pytest

from libs.toolchain.pin_bases import DOCKERFILES, NoDigestError, pinned

_DIGEST = f"sha256:{'a' * 64}"
_DOCKERFILE = """\
ARG BUILD_IMAGE=node:22-trixie-slim
ARG BASE_IMAGE=example/nginx:1.28@sha256:old
ARG VERSION=0.1.0

FROM ${BUILD_IMAGE} AS build
"""


def test_every_base_is_pinned_anew_and_nothing_else_changes() -> None:
    asked: list[str] = []

    def digest_of(name: str) -> str:
        asked.append(name)
        return _DIGEST

    assert pinned(_DOCKERFILE, digest_of).splitlines() == [
        f"ARG BUILD_IMAGE=node:22-trixie-slim@{_DIGEST}",
        f"ARG BASE_IMAGE=example/nginx:1.28@{_DIGEST}",
        *_DOCKERFILE.splitlines()[2:],
    ]
    assert asked == ["node:22-trixie-slim", "example/nginx:1.28"]


def test_a_registry_that_does_not_answer_pins_nothing() -> None:
    def digest_of(name: str) -> str:
        raise NoDigestError(name)

    with pytest.raises(NoDigestError, match="node:22"):
        pinned(_DOCKERFILE, digest_of)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_the_bases_of_every_dockerfile_can_be_pinned(path: Path) -> None:
    text = path.read_text()

    assert pinned(text, lambda _: _DIGEST).count(_DIGEST) == text.count("IMAGE=")

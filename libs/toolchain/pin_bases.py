"""Pin the base images of the Dockerfiles by digest (`make pin-bases`).

A digest is only ever what a registry told; where none answers, nothing changes.
"""

import re
import subprocess
import sys
from collections.abc import Callable

from libs.toolchain.paths import ROOT

__all__ = ["DOCKERFILES", "NoDigestError", "ask_registry", "pinned"]

DOCKERFILES = (
    ROOT / "services" / "api_gateway" / "Dockerfile",
    ROOT / "services" / "orchestrator" / "Dockerfile",
    ROOT / "frontend" / "Dockerfile",
)

_BASE = re.compile(
    r"^(?P<argument>ARG [A-Z_]*IMAGE=)(?P<name>[^\s@]+)(?:@\S+)?$", re.MULTILINE
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class NoDigestError(Exception):
    """Nobody could be asked for the digest of an image."""


def pinned(dockerfile: str, digest_of: Callable[[str], str]) -> str:
    """Return the text with every base image pinned to its tag's digest of now."""

    def pin(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{found['argument']}{name}@{digest_of(name)}"

    return _BASE.sub(pin, dockerfile)


def ask_registry(name: str) -> str:
    """Ask the registry of an image for its digest. Raises NoDigestError."""
    command = ["docker", "buildx", "imagetools", "inspect", name]
    wanted = [*command, "--format", "{{.Manifest.Digest}}"]
    told = subprocess.run(wanted, capture_output=True, text=True, check=False)
    digest = told.stdout.strip()
    if told.returncode != 0 or not _DIGEST.fullmatch(digest):
        raise NoDigestError(f"{name}: {told.stderr.strip() or told.stdout.strip()}")
    return digest


def main() -> int:
    """Pin all or none; returns the exit status."""
    try:
        texts = {path: pinned(path.read_text(), ask_registry) for path in DOCKERFILES}
    except NoDigestError as reason:
        sys.stderr.write(f"nothing was pinned, for no registry answered. {reason}\n")
        return 1
    for path, text in texts.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

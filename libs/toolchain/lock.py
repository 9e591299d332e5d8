"""Pin every dependency with its hashes, without addresses (`make lock`).

`dev.txt` is resolved first; the locks of single services follow it, so that a
package has one version everywhere. The orchestrator's image is built from a lock
without what CrewAI asks for and the orchestrator never imports.
"""

import sys

from libs.toolchain.paths import VENV_BIN, run

__all__ = ["main"]

_SERVICES = ("gateway", "operator", "orchestrator")
_FOLLOWING = "--constraints=requirements/dev.txt"


def main() -> None:
    """Write `requirements/*.txt`; `--upgrade` lets every version move."""
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    extras = [f"--extra={name}" for name in (*_SERVICES, "cli", "dev")]
    slow = "--excludes=requirements/dev-left-out.in"
    _compile("dev", "pyproject.toml", *extras, slow, *upgrade)
    for name in _SERVICES:
        extra = f"--extra={name}"
        _compile(name, "pyproject.toml", extra, _FOLLOWING)
    left_out = "--excludes=requirements/orchestrator-image.in"
    extra = "--extra=orchestrator"
    _compile("orchestrator-image", "pyproject.toml", extra, _FOLLOWING, left_out)
    for name in ("uv", "node", "mutation"):
        _compile(name, f"requirements/{name}.in", *upgrade)


def _compile(name: str, source: str, *options: str) -> None:
    run(
        [
            *(VENV_BIN / "uv", "pip", "compile", "--quiet", source),
            *("--python-version=3.12", "--universal", "--generate-hashes"),
            *("--no-emit-index-url", "--no-emit-find-links", "--no-header"),
            *options,
            f"--output-file=requirements/{name}.txt",
        ]
    )


if __name__ == "__main__":
    main()

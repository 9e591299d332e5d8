"""Write the API's description and the page's types from it (`make openapi`).

With `--check`, nothing is written: the program fails when either is stale.
"""

import subprocess
import sys

from libs.toolchain.paths import FRONTEND, ROOT, VENV_BIN, run, with_venv_on_path

__all__ = ["main"]

_DESCRIPTION = FRONTEND / "openapi.json"


def main() -> None:
    """Write both files, or check them when called with `--check`."""
    is_check = "--check" in sys.argv[1:]
    described = subprocess.run(
        [VENV_BIN / "python", "-m", "services.api_gateway", "openapi"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    if not is_check:
        _DESCRIPTION.write_bytes(described)
    elif described != _DESCRIPTION.read_bytes():
        message = "frontend/openapi.json is stale: run 'make openapi'"
        raise SystemExit(message)
    arguments = ["--", "--check"] if is_check else []
    run(
        ["npm", "run", "--silent", "codegen", *arguments],
        cwd=FRONTEND,
        env=with_venv_on_path(),
    )


if __name__ == "__main__":
    main()

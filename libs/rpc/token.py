"""Make the token that services share: `python -m libs.rpc.token PATH`.

For a start on one machine, where nobody hands out secrets. A token that is there
stays, so that it may run before every start; a file that a power cut left empty is
none.
"""

import secrets
import sys
from pathlib import Path

__all__ = ["make_token"]

_BYTES = 32


def make_token(path: Path) -> bool:
    """Write a new token that its owner alone can read; False when there is one."""
    if path.exists() and path.stat().st_size:
        return False
    # Renamed into place: whoever finds the file finds all of it.
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(_BYTES))
    draft.rename(path)
    return True


if __name__ == "__main__":
    make_token(Path(sys.argv[1]))

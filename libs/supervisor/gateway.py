"""`python -m libs.supervisor.gateway …`: a command of the gateway, told the same.

It finds the database that `make run` uses, wherever `.env` puts it.
"""

import os
import sys
from pathlib import Path

from libs.supervisor.programs import GATEWAY, environment


def main() -> None:
    """Become the gateway with the arguments given."""
    words = [*GATEWAY.command, *sys.argv[1:]]
    os.execve(words[0], words, environment(Path(".env")))  # noqa: S606 - the words above


if __name__ == "__main__":
    main()

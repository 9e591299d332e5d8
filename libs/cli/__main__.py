"""`python -m libs.cli`: the command `vb` where it is not on PATH."""

import sys

from libs.cli.app import main

if __name__ == "__main__":
    sys.exit(main())

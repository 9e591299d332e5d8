"""What `vb` returns to the shell, and why a command ends early."""

from enum import IntEnum

__all__ = ["CommandError", "ExitCode"]


class ExitCode(IntEnum):
    """0 and 1 are answers; 2 and 3 say that there is none."""

    OK = 0
    FOUND = 1
    """Mistakes, differences, a probe that failed, or nothing to be done."""
    USAGE = 2
    UNREACHABLE = 3
    """The cluster is not reachable, or does not have what was named."""


class CommandError(Exception):
    """A command cannot go on; the text says why and what to do."""

    def __init__(self, detail: str, code: ExitCode) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code

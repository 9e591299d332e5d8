"""What tests measure: printed when all is over, whether or not it is quiet."""

__all__ = ["figure", "figures"]

_MARK = "figure: "
"""How lines begin that the stage runner shows."""

_lines: list[str] = []


def figure(told: str) -> None:
    """Keep what was measured, and of what, for the end of the output; never a gate."""
    _lines.append(f"{_MARK}{told}")


def figures() -> list[str]:
    """Return a line for each, in order."""
    return [*_lines]

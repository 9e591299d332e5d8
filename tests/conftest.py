"""What tests of every kind are given: a place for what they measure."""

import pytest

from tests.figures import figures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures, also with --quiet."""
    for line in figures():
        terminalreporter.write_line(line)

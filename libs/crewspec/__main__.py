"""`python -m libs.crewspec validate <directory>`: check crew documents.

Exit code 0 when all is well, 1 when there are mistakes (one line each on
standard output, `path:line: $.spec.x: message`), 2 for a wrong command line.
"""

import argparse
import sys
from pathlib import Path

from libs.crewspec.digest import revision_digest
from libs.crewspec.loader import load_directory
from libs.crewspec.packages import read_packages
from libs.crewspec.validator import validate

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m libs.crewspec", description="Check crew documents."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "validate", help="check every *.yaml below a directory"
    )
    command.add_argument("directory", type=Path)
    command.add_argument(
        "--packages",
        type=Path,
        help="directory of agent packages, to check the tools behind the names",
    )
    options = parser.parse_args(arguments)
    documents = load_directory(options.directory)
    packages = read_packages(options.packages) if options.packages else None
    diagnostics = validate(documents, packages)
    for diagnostic in diagnostics:
        print(diagnostic)
    if diagnostics:
        print(f"{len(diagnostics)} mistakes", file=sys.stderr)
        return 1
    agents = {name: agent.spec for name, agent in documents.agents.items()}
    for name, crew in documents.crews.items():
        used = {task.agent: agents[task.agent] for task in crew.spec.tasks}
        print(f"Crew/{name} {revision_digest(crew.spec, used)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

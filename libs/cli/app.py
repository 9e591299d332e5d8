"""`vb`: the command line of VentureBots.

Exit code 0 when all is well, 1 for mistakes and differences, 2 for a wrong command
line, 3 when the cluster is not reachable or does not have what was named.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from libs.cli.exit_codes import CommandError, ExitCode
from libs.cli.offline import run_compile, run_diff, run_validate

__all__ = ["main"]

type _Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the type has no public name
type _Handler = Callable[[argparse.Namespace], ExitCode]

_ON_A_CLUSTER: Final = {
    "list": "where crews stand",
    "history": "the revisions of a crew that are kept",
    "rollback": "serve a revision that is kept",
    "pause": "hold a crew's roll-outs",
    "resume": "let a crew's roll-outs go on",
    "approve": "let a roll-out go past its present step",
    "abort": "give a candidate up",
    "probe": "run a crew's probes now and tell how they went",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        handler: _Handler = options.handler or _on_a_cluster(options.command)
        return handler(options)
    except CommandError as error:
        print(error.detail, file=sys.stderr)
        return error.code
    except BrokenPipeError:
        # Whoever read has seen enough; nothing more can be said to them.
        sys.stderr.close()
        return ExitCode.OK


def _on_a_cluster(command: str) -> _Handler:
    try:
        from libs.cli import online  # noqa: PLC0415 - files need no client of a cluster
    except ImportError as error:
        detail = f"{error.name} is not installed: install venturebots[cli]"
        raise CommandError(detail, ExitCode.USAGE) from error
    handler: _Handler = getattr(online, f"run_{command}")
    return handler


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vb", description=__doc__)
    topics = parser.add_subparsers(dest="topic", required=True)
    crews = topics.add_parser("crews", help="crews, in files and on a cluster")
    commands = crews.add_subparsers(dest="command", required=True)
    _add_offline(commands)
    for name, told in _ON_A_CLUSTER.items():
        command = commands.add_parser(name, help=told, description=told)
        command.set_defaults(handler=None)
        _add_cluster(command, name)
    return parser


def _add_offline(commands: _Commands) -> None:
    validate = commands.add_parser("validate", help="check documents in files")
    validate.set_defaults(handler=run_validate)
    compile_ = commands.add_parser(
        "compile", help="digests, contents, or resources to apply, prompts in place"
    )
    compile_.set_defaults(handler=run_compile)
    for command in (validate, compile_):
        command.add_argument(
            "files", type=Path, nargs="+", help="files, or directories of *.yaml"
        )
        command.add_argument(
            "--packages",
            type=Path,
            help="directory of agent packages, to check the tools behind the names",
        )
    _add_output(validate)
    _add_output(compile_, "json", "yaml")
    diff = commands.add_parser("diff", help="what differs between two sets")
    diff.set_defaults(handler=run_diff)
    diff.add_argument("old", type=Path, help="a file or a directory")
    diff.add_argument("new", type=Path, help="a file or a directory")
    _add_output(diff)


def _add_cluster(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument("--kubeconfig", type=Path, help="as for kubectl")
    command.add_argument("--context", help="of the kubeconfig; its own by default")
    command.add_argument("-n", "--namespace", help="the context's by default")
    if name == "list":
        command.add_argument("-A", "--all-namespaces", action="store_true")
    else:
        command.add_argument("crew", help="the crew's name")
    if name == "rollback":
        command.add_argument("revision", help="its name or digest; see history")
    if name == "probe":
        command.add_argument(
            "--timeout", type=float, default=300, help="in seconds; 300 by default"
        )
    if name in {"list", "history", "probe"}:
        _add_output(command)


def _add_output(command: argparse.ArgumentParser, *formats: str) -> None:
    command.add_argument(
        "-o", "--output", choices=formats or ("json",), help="for programs"
    )

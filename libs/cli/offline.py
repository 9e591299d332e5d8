"""Commands on files: what is wrong, what it compiles to, what has changed."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from libs.cli.differences import Difference, difference_of
from libs.cli.exit_codes import CommandError, ExitCode
from libs.cli.printing import print_json, print_table
from libs.crewspec.compiler import revision_of
from libs.crewspec.documents import Kind
from libs.crewspec.loader import DocumentSet, load_paths
from libs.crewspec.packages import Packages, read_packages
from libs.crewspec.resources import as_resources
from libs.crewspec.revision import digest_of, revision_content
from libs.crewspec.validator import validate

__all__ = ["run_compile", "run_diff", "run_validate"]


def run_validate(options: argparse.Namespace) -> ExitCode:
    """Print every mistake, with its file, line and place."""
    documents = load_paths(options.files)
    found = validate(documents, _packages(options))
    if options.output == "json":
        print_json([asdict(diagnostic) for diagnostic in found])
    else:
        for diagnostic in found:
            print(diagnostic)
    count = sum(len(documents.of_kind(kind)) for kind in Kind)
    told = f"{len(found)} mistakes" if found else f"{count} documents, no mistakes"
    print(told, file=sys.stderr)
    return ExitCode.FOUND if found else ExitCode.OK


def run_compile(options: argparse.Namespace) -> ExitCode:
    """Print the digest of every crew, its content, or resources to apply."""
    documents = _sound(options.files, _packages(options))
    contents = _contents(documents)
    match options.output:
        case "json":
            print_json(
                {
                    crew: {
                        "digest": digest_of(content),
                        "content": json.loads(content),
                    }
                    for crew, content in contents.items()
                }
            )
        case "yaml":
            resources = as_resources(documents)
            print(yaml.dump_all(resources, Dumper=_Dumper, **_STYLE), end="")
        case _:
            rows = [(crew, digest_of(held)) for crew, held in contents.items()]
            print_table(("CREW", "DIGEST"), rows)
    return ExitCode.OK


def run_diff(options: argparse.Namespace) -> ExitCode:
    """Print what differs between two sets, by digest and by field."""
    old, new = (_sound([path], None) for path in (options.old, options.new))
    found = difference_of(old, new)
    if options.output == "json":
        print_json(asdict(found))
    else:
        _print_difference(found)
    return ExitCode.FOUND if found.crews or found.fields else ExitCode.OK


def _print_difference(found: Difference) -> None:
    for crew in found.crews:
        print(f"Crew/{crew.crew}: {crew.old or 'new'} → {crew.new or 'gone'}")
    for field in found.fields:
        print()
        print("\n".join(field.lines()))


def _packages(options: argparse.Namespace) -> Packages | None:
    folder: Path | None = options.packages
    if folder is None:
        return None
    try:
        packages = read_packages(folder)
    except (OSError, ValueError, KeyError) as error:
        detail = f"{folder} holds a manifest that cannot be read: {error}"
        raise CommandError(detail, ExitCode.USAGE) from error
    if not packages:
        detail = f"{folder} holds no <package>/manifest.json"
        raise CommandError(detail, ExitCode.USAGE)
    return packages


def _sound(paths: Sequence[Path], packages: Packages | None) -> DocumentSet:
    documents = load_paths(paths)
    if found := validate(documents, packages):
        raise CommandError("\n".join(map(str, found)), ExitCode.FOUND)
    return documents


def _contents(documents: DocumentSet) -> dict[str, bytes]:
    revisions = {crew: revision_of(crew, documents) for crew in documents.crews}
    return {
        crew: revision_content(revision.crew, revision.agents)
        for crew, revision in revisions.items()
    }


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as it is read."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_STYLE: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 96}

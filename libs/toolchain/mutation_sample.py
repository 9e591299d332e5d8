"""Keep a sample of a session's mutants; run with the mutation tool's own Python.

Only those are drawn that a test could tell apart. Left out are

- annotations (what breaks them breaks the import, and so no test), and what a
  dataclass tells the type checker (`frozen`, `slots`, `init`);
- the star of a signature and the bars of a pattern, which are taken for operators:
  hardly anything that replaces them compiles;
- log lines;
- the figures that are tuned.
"""

import ast
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.work_db import (  # type: ignore[import-not-found] # another environment
    WorkDB,
    use_db,
)
from cosmic_ray.work_item import (  # type: ignore[import-not-found] # as above
    WorkerOutcome,
    WorkItem,
    WorkResult,
)

__all__ = ["main"]

_LOGGERS = {"log", "_logger"}

Span = tuple[tuple[int, int], tuple[int, int]]


def main() -> None:
    """Skip all but a part of a sample: session, size, seed, n/parts, tuned names."""
    session, size, seed, share, *tuned = sys.argv[1:]
    part, parts = map(int, share.split("/"))
    with use_db(session, mode=WorkDB.Mode.open) as work:
        items = list(work.pending_work_items)
        module = items[0].mutations[0].module_path
        spans = list(_untold(ast.parse(Path(module).read_text("utf-8")), set(tuned)))
        drawn = [item for item in items if not _is_within(item, spans)]
        # By what they change: job ids are new in every session.
        drawn.sort(key=lambda item: repr(item.mutations))
        random.Random(int(seed)).shuffle(drawn)  # noqa: S311 - a sample
        kept = {item.job_id for item in drawn[: int(size)][part::parts]}
        for item in items:
            if item.job_id not in kept:
                skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)
                work.set_result(item.job_id, skipped)


def _untold(module: ast.Module, tuned: set[str]) -> Iterator[Span]:
    """Find the places whose mutants say nothing about the tests."""
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _spans(node.returns)
                yield from _star(node.args)
            case ast.keyword(arg="frozen" | "slots" | "init", value=flag):
                yield from _spans(flag)
            case ast.MatchOr():
                yield from _spans(node)
            case (
                ast.AnnAssign(target=ast.Name(id=name))
                | ast.Assign(targets=[ast.Name(id=name)])
            ) if name in tuned:
                yield from _spans(node)
            case ast.arg(annotation=annotation) | ast.AnnAssign(annotation=annotation):
                yield from _spans(annotation)
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))
            ) if name in _LOGGERS:
                yield from _spans(node)


def _spans(node: ast.expr | ast.stmt | ast.pattern | None) -> Iterator[Span]:
    if node is not None:
        yield (node.lineno, node.col_offset), _end(node)


def _star(arguments: ast.arguments) -> Iterator[Span]:
    """Find what stands between the last argument by place and the first by name."""
    by_place: list[ast.arg | ast.expr] = [*arguments.posonlyargs, *arguments.args]
    by_place += arguments.defaults
    if by_place and arguments.kwonlyargs:
        by_name = arguments.kwonlyargs[0]
        yield max(map(_end, by_place)), (by_name.lineno, by_name.col_offset)


def _end(node: ast.expr | ast.stmt | ast.pattern | ast.arg) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _is_within(item: WorkItem, spans: list[Span]) -> bool:
    (mutation,) = item.mutations
    start, end = tuple(mutation.start_pos), tuple(mutation.end_pos)
    return any(first <= start and end <= last for first, last in spans)


if __name__ == "__main__":
    main()

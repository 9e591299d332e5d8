"""Files and functions stay small enough to be read at once."""

import ast
import statistics
from collections.abc import Iterator

from tests.architecture.sources import lines_of, text_of, written_by_hand

_FILE_LINES, _FILE_LINES_P95 = 500, 350
_FUNCTION_LINES, _FUNCTION_LINES_P95 = 60, 40
_COMPONENT_LINES = 250


def _file_lengths() -> dict[str, int]:
    code = written_by_hand(".py", ".ts", ".tsx", ".mjs", ".css")
    return {str(path): len(lines_of(path)) for path in code}


def _functions() -> Iterator[tuple[str, int]]:
    for path in written_by_hand(".py"):
        if "migrations" in path.parts:
            continue  # lists of columns, written once
        for node in ast.walk(ast.parse(text_of(path), filename=str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                end = node.end_lineno or node.lineno
                yield f"{path}:{node.lineno} {node.name}", end - node.lineno + 1


def _p95(lengths: list[int]) -> float:
    return statistics.quantiles(lengths, n=20, method="inclusive")[-1]


def test_no_file_is_long() -> None:
    lengths = _file_lengths()

    assert {name: n for name, n in lengths.items() if n > _FILE_LINES} == {}
    assert _p95(list(lengths.values())) <= _FILE_LINES_P95


def test_no_component_is_long() -> None:
    lengths = {str(path): len(lines_of(path)) for path in written_by_hand(".tsx")}

    assert {name: n for name, n in lengths.items() if n > _COMPONENT_LINES} == {}


def test_no_function_is_long() -> None:
    lengths = dict(_functions())

    assert {name: n for name, n in lengths.items() if n > _FUNCTION_LINES} == {}
    assert _p95(list(lengths.values())) <= _FUNCTION_LINES_P95

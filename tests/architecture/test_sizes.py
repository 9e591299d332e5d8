"""Files and functions stay small enough to be read at once."""

import ast
import statistics
from collections.abc import Iterator

from tests.architecture.sources import lines_of, text_of, written_by_hand

_FILE_LINES, _FILE_LINES_P95 = 500, 350
_FUNCTION_LINES, _FUNCTION_LINES_P95 = 60, 40
_COMPONENT_LINES = 250
_NESTING = 3

_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _file_lengths() -> dict[str, int]:
    code = written_by_hand(".py", ".ts", ".tsx", ".mjs", ".css")
    return {str(path): len(lines_of(path)) for path in code}


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in written_by_hand(".py"):
        if "migrations" in path.parts:
            continue  # lists of columns, written once
        for node in ast.walk(ast.parse(text_of(path), filename=str(path))):
            if isinstance(node, _FUNCTIONS):
                yield f"{path}:{node.lineno} {node.name}", node


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _nesting(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            continue
        # To the parser, `elif` is an `if` inside `else`.
        is_elif = isinstance(node, ast.If) and node.orelse == [child]
        is_deeper = isinstance(child, _BLOCKS) and not is_elif
        deepest = max(deepest, _nesting(child, depth + is_deeper))
    return deepest


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
    lengths = {name: _length(node) for name, node in _functions()}

    assert {name: n for name, n in lengths.items() if n > _FUNCTION_LINES} == {}
    assert _p95(list(lengths.values())) <= _FUNCTION_LINES_P95


def test_no_function_is_deep() -> None:
    depths = {name: _nesting(node) for name, node in _functions()}

    assert {name: depth for name, depth in depths.items() if depth > _NESTING} == {}

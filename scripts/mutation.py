"""Mutation testing of the plan, the queue and their projections: which small mistakes do their tests notice?

    scripts/mutation                            # 6 mistakes in each module
    scripts/mutation --each 40 queue/outcomes   # more of them, in modules whose path has these description

A mistake changes one comparison, condition, constant, operator, ``return`` or call of a function. The sample
follows from ``--seed``. Each mistake is made in a forked process, by replacing the code of the function, and
the tests that run its line are run there until one fails. No file is changed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from coverage import Coverage, CoverageData

ROOT = Path(__file__).parent.parent
_ROOMS = ("plans", "queue", "estimate", "questions", "receipt")
PACKAGES = tuple(f"src/rivya_flows/{room}" for room in _ROOMS)
TESTS = tuple(f"tests/{room}" for room in _ROOMS)
OPTIONS = ["-q", "--hypothesis-profile=few", "-p", "no:cacheprovider"]
MAX_CPU_SECONDS = 150  # of one mistake; all tests together need 40
MAX_BYTES = 8 << 30
COVERAGE = f"""
[run]
parallel = true
patch = subprocess
source = {",".join(PACKAGES)}
"""
SWAPS: Mapping[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        path: Its module, relative to the root.
        function: Qualified name of the outermost function.
        node: Number of the syntax node within the module.
        line: Its line, from 1.
        description: What is changed.
    """

    path: str
    function: str
    node: int
    line: int
    description: str


def mistake(node: ast.AST, *, apply: bool = False) -> str:
    """What can be wrong with a node, or "" for nothing; with `apply` it is wrong afterwards."""
    change: dict[str, object]
    before = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
    match node:
        case ast.Compare(ops=[first, *_]) if swapped := SWAPS.get(type(first)):
            change = {"ops": [swapped(), *node.ops[1:]]}
        case ast.BoolOp(op=op) | ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in SWAPS:
            change = {"op": SWAPS[type(op)]()}
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            change = {"operand": ast.UnaryOp(ast.Not(), operand)}
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            change = {"test": ast.UnaryOp(ast.Not(), test)}
        case ast.comprehension(ifs=[test, *_]):
            change = {"ifs": [ast.UnaryOp(ast.Not(), test), *node.ifs[1:]]}
        case ast.Constant(value=bool() as value):
            change = {"value": not value}
        case ast.Constant(value=int() as value):
            change = {"value": value + 1}
        case ast.Return(value=ast.Constant(value=None)):
            return ""
        case ast.Return(value=ast.expr()) | ast.Expr(value=ast.Call()):
            change = {"value": ast.Constant(None)}
        case _:
            return ""
    if not apply:
        name = type(node).__name__
        return f"{name}: {before.splitlines()[0] if before else 'condition'}"[:90]
    for field, new in change.items():
        setattr(node, field, new)
    return before


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions and methods of a module with their qualified names, outermost only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield f"{prefix}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")


def mutants(path: Path) -> list[Mutant]:
    """All mistakes that can be made in a module."""
    tree = ast.parse(path.read_text("utf-8"))
    numbers = {node: number for number, node in enumerate(ast.walk(tree))}
    found = []
    for name, function in functions(tree):
        line = function.lineno
        # Defaults, decorators and annotations are no part of a function's code.
        for node in (node for part in function.body for node in ast.walk(part)):
            line = getattr(node, "lineno", line)
            if arguments := mistake(node):
                relative = path.relative_to(ROOT).as_posix()
                found.append(Mutant(relative, name, numbers[node], line, arguments))
    return found


def code_of(module: CodeType, name: str) -> CodeType:
    """The code of a function within that of its module."""
    inner = [one for one in module.co_consts if isinstance(one, CodeType)]
    for one in inner:
        if one.co_qualname == name:
            return one
        if name.startswith(f"{one.co_qualname}."):
            return code_of(one, name)
    raise LookupError(name)


def make(mutant: Mutant) -> None:
    """Makes a mistake in this process, wherever the function was decorated, wrapped or imported."""
    path = ROOT / mutant.path
    tree = ast.parse(path.read_text("utf-8"))
    mistake(list(ast.walk(tree))[mutant.node], apply=True)
    code = code_of(compile(ast.fix_missing_locations(tree), str(path), "exec"), mutant.function)
    gc.unfreeze()  # conftest.py hides what was imported from `gc.get_objects`
    known = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
    same = [one for one in known if one.__code__.co_qualname == mutant.function]
    same = [one for one in same if Path(one.__code__.co_filename) == path]
    if not same:
        raise LookupError(f"{mutant} is not imported")
    for one in same:
        one.__code__ = code


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Counts the lines that run from here on for a test; this module is a plugin of `tests_by_line`."""
    if measuring := Coverage.current():
        # Of all its parameters: pytest does not find each of them by its id.
        measuring.switch_context(item.nodeid.partition("[")[0])


def tests_by_line() -> dict[tuple[str, int], list[str]]:
    """The tests that run a line, as arguments of pytest: first those that run the fewest lines."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rc").write_text(COVERAGE)
        environment = os.environ | {"COVERAGE_FILE": f"{folder}/data", "PYTHONPATH": "scripts"}
        tool = [sys.executable, "-m", "coverage"]
        measured = ["run", f"--rcfile={folder}/rc", "-m", "pytest", "-p", "mutation"]
        for command in ([*measured, *OPTIONS, *TESTS], ["combine", "-q"]):
            subprocess.run([*tool, *command], cwd=ROOT, env=environment, check=True)
        data = CoverageData(f"{folder}/data")
        data.read()
        by_line = {
            (Path(path).relative_to(ROOT).as_posix(), line): set(filter(None, tests))
            for path in data.measured_files()
            for line, tests in data.contexts_by_lineno(path).items()
        }
    size = Counter(test for tests in by_line.values() for test in tests)
    return {
        place: sorted(tests, key=lambda one: (size[one], one)) for place, tests in by_line.items()
    }


def outcome(mutant: Mutant, tests: list[str]) -> str:
    """``noticed``, or why not."""
    if not tests:
        return "no test runs it"
    child = os.fork()
    if child == 0:
        code = 99
        with contextlib.suppress(BaseException):
            resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
            make(mutant)
            code = pytest.main([*OPTIONS, "-n", "0", "-x", *tests])
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code in (2, 3, 4, 5, 99):
        return f"error {code}"
    return "noticed" if code else f"not noticed by {len(tests)} tests"


def main() -> int:
    """Prints the mistakes that are not noticed, and the score of each module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "modules", nargs="*", help="description in the path of a module; all without"
    )
    parser.add_argument("--each", type=int, default=6, help="mistakes in a module, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    os.chdir(ROOT)
    sample: list[Mutant] = []
    for module in sorted(one for package in PACKAGES for one in (ROOT / package).rglob("*.py")):
        if not chosen.modules or any(word in module.as_posix() for word in chosen.modules):
            found = mutants(module)
            drawn = random.Random(f"{chosen.seed} {module.name}")
            sample += drawn.sample(found, min(chosen.each, len(found)))
    tests = tests_by_line()
    # What the tests import is imported once; each mistake is then made in a fork.
    pytest.main([*OPTIONS, "-n", "0", "--collect-only", "-qq", *TESTS])
    scores: dict[str, Counter[bool]] = {}
    with ThreadPoolExecutor(chosen.jobs) as pool:
        ends = pool.map(lambda one: outcome(one, tests.get((one.path, one.line), [])), sample)
        for mutant, end in zip(sample, ends, strict=True):
            scores.setdefault(mutant.path, Counter())[end == "noticed"] += 1
            if end != "noticed":
                print(f"{mutant.path}:{mutant.line}: {mutant.description}: {end}", flush=True)
    for path, score in scores.items():
        print(f"{score[True]:4} of {score.total():4}  {path}")
    noticed = sum(score[True] for score in scores.values())
    print(f"{noticed} of {len(sample)} mistakes noticed: {noticed / len(sample):.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

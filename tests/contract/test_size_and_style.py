"""Size and manners of the source, as CONTRIBUTING.md promises them; read from the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "chaffinch"

MAX_FILE_LINES = 400
MAX_BODY_LINES = 40
MAX_NESTING = 2
MAX_PARAMETERS = 8
MAX_POSITIONAL = 3

MAX_KERNEL_NESTING = 4
"""Compiled kernels loop over the axes of their arrays; they take positional parameters only."""
MAX_PRIVATE_POSITIONAL = 4

FORBIDDEN_FILE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "core"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Finding = tuple[int, str]
Check = Callable[[ast.Module, str], Iterator[Finding]]

BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.Match)
"""Statements that nest: loops and decisions. `try` and `with` add no path of their own to follow."""


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method."""
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def file_size(tree: ast.Module, source: str) -> Iterator[Finding]:
    """Files stay below 400 lines."""
    n_lines = len(source.splitlines())
    if n_lines >= MAX_FILE_LINES:
        yield 1, f"file has {n_lines} lines"


def body_size(tree: ast.Module, source: str) -> Iterator[Finding]:
    """Function bodies stay below 40 lines; the docstring does not count."""
    for function in functions(tree):
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        if body:
            n_lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
            if n_lines >= MAX_BODY_LINES:
                yield function.lineno, f"body of {function.name} has {n_lines} lines"


def is_kernel(function: Function) -> bool:
    """Tell whether a function is compiled by numba."""
    names = {ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in function.decorator_list}
    return bool(names & {"kernel", "njit", "numba.njit"})


def inner_blocks(statement: ast.stmt) -> Iterator[tuple[list[ast.stmt], bool]]:
    """Yield the blocks of a statement, and whether each stands beside it, as `elif` does, not inside."""
    for name, value in ast.iter_fields(statement):
        if not isinstance(value, list):
            continue
        block = [part for part in value if isinstance(part, ast.stmt)]
        is_elif = name == "orelse" and len(block) == 1 and isinstance(block[0], ast.If)
        yield block, is_elif and isinstance(statement, ast.If)
        yield from ((p.body, False) for p in value if isinstance(p, ast.ExceptHandler | ast.match_case))


def depth(block: list[ast.stmt]) -> int:
    """Return how many loops and decisions stand inside each other; nested functions count for themselves."""
    deepest = 0
    for statement in block:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        own = isinstance(statement, BLOCKS)
        depths = [depth(inner) + (own and not beside) for inner, beside in inner_blocks(statement)]
        deepest = max(deepest, own, *depths) if depths else max(deepest, own)
    return deepest


def nesting(tree: ast.Module, source: str) -> Iterator[Finding]:
    """Loops and decisions nest two deep; in kernels, which loop over axes, four."""
    for function in functions(tree):
        limit = MAX_KERNEL_NESTING if is_kernel(function) else MAX_NESTING
        if depth(function.body) > limit:
            yield function.lineno, f"{function.name} nests {depth(function.body)} blocks"


def parameters(tree: ast.Module, source: str) -> Iterator[Finding]:
    """At most eight parameters, three of them positional (self and cls aside; four in private functions)."""
    inner = {f.name for outer in functions(tree) for body in outer.body for f in functions(body)}
    for function in functions(tree):
        arguments = function.args
        positional = [
            a.arg for a in [*arguments.posonlyargs, *arguments.args] if a.arg not in ("self", "cls")
        ]
        n_all = len(positional) + len(arguments.kwonlyargs)
        is_private = function.name in inner or (
            function.name.startswith("_") and not function.name.startswith("__")
        )
        limit = MAX_PRIVATE_POSITIONAL if is_private else MAX_POSITIONAL
        if len(positional) > limit and not is_kernel(function):
            yield function.lineno, f"{function.name} takes {len(positional)} positional parameters"
        if n_all > MAX_PARAMETERS:
            yield function.lineno, f"{function.name} takes {n_all} parameters"


def manners(tree: ast.Module, source: str) -> Iterator[Finding]:
    """No print, exit, signal handler, assert, or broad except that does not raise again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("print", "exit", "quit", "sys.exit", "os._exit", "signal.signal", "os.system"):
                yield node.lineno, f"calls {name}"
        if isinstance(node, ast.ExceptHandler) and not isinstance(node.body[-1], ast.Raise):
            caught = "everything" if node.type is None else ast.unparse(node.type)
            if caught in ("everything", "Exception", "BaseException"):
                yield node.lineno, f"catches {caught}"
        if isinstance(node, ast.Assert):
            yield node.lineno, "asserts"


PICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}


def pickles(tree: ast.Module, source: str) -> Iterator[Finding]:
    """Pickle is never loaded, shells are never given strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found = {name.split(".")[0] for name in names} & PICKLES
            yield from ((node.lineno, f"imports {name}") for name in sorted(found))
        if isinstance(node, ast.keyword) and ast.unparse(node) in ("shell=True", "allow_pickle=True"):
            yield node.value.lineno, ast.unparse(node)


def empty_inits(tree: ast.Module, source: str) -> Iterator[Finding]:
    """An `__init__.py` holds a docstring, imports and names, and no logic."""
    for node in tree.body:
        if not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign):
            yield node.lineno, f"{type(node).__name__} in an __init__.py"


def unfinished(tree: ast.Module, source: str) -> Iterator[Finding]:
    """Nothing is left for later: a stub or a marked gap is not committed."""
    for number, line in enumerate(source.splitlines(), start=1):
        if any(mark in line for mark in ("TODO", "FIXME", "XXX", "raise NotImplementedError")):
            yield number, f"unfinished: {line.strip()}"


def findings(check: Check, package: Path, *, but: tuple[str, ...] = (), only: str = "*.py") -> list[str]:
    """Run a check over a package; returns ``file:line: what`` lines."""
    found = []
    for path in sorted(package.rglob(only)):
        if path.relative_to(package).parts[0] in but:
            continue
        source = path.read_text(encoding="utf-8")
        where = path.relative_to(package.parent).as_posix()
        found += [f"{where}:{line}: {what}" for line, what in check(ast.parse(source), source)]
    return found


EVERYWHERE: list[Check] = [file_size, body_size, nesting, pickles, unfinished]


@pytest.mark.parametrize("check", EVERYWHERE)
def test_source__everywhere(check: Check) -> None:
    found = findings(check, PACKAGE)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("check", [parameters, manners])
def test_source__outside_the_command_line(check: Check) -> None:
    found = findings(check, PACKAGE, but=("cli",))
    assert not found, "\n".join(found)


def test_source__inits_hold_no_logic() -> None:
    assert findings(empty_inits, PACKAGE, only="__init__.py") == []


def test_source__broad_except_in_the_command_line_only_in_main() -> None:
    broad = [line for line in findings(manners, PACKAGE / "cli") if "catches" in line]
    assert [line for line in broad if not line.startswith("cli/main.py")] == []


def test_source__files_are_named_for_what_they_hold() -> None:
    assert [str(p) for p in PACKAGE.rglob("*.py") if p.stem in FORBIDDEN_FILE_NAMES] == []


LONG_BODY = "def f():\n" + "    x = 1\n" * MAX_BODY_LINES
DEEP = "def f():\n    for a in b:\n        if a:\n            while a:\n                pass\n"
KERNEL = "@numba.njit(cache=True)\n" + DEEP.replace("f()", "f(a, b, c, d)")
ELIFS = "def f():\n    if a:\n        pass\n" + "    elif b:\n        pass\n" * 5


@pytest.mark.parametrize(
    ("check", "code", "expected"),
    [
        (file_size, "x = 1\n" * MAX_FILE_LINES, ["chaffinch/planted.py:1: file has 400 lines"]),
        (body_size, LONG_BODY, ["chaffinch/planted.py:1: body of f has 40 lines"]),
        (body_size, 'def f():\n    """D' + "\n" * 50 + '    """\n    return 1\n', []),
        (nesting, DEEP, ["chaffinch/planted.py:1: f nests 3 blocks"]),
        (nesting, ELIFS, []),
        (nesting, DEEP.replace("while a", "with a"), []),
        (nesting, KERNEL, []),
        (parameters, KERNEL, []),
        (parameters, "def _f(a, b, c, d): ...", []),
        (parameters, "def f(a, b, c, d): ...", ["chaffinch/planted.py:1: f takes 4 positional parameters"]),
        (parameters, "class A:\n    def f(self, a, b, c, *, d): ...", []),
        (
            parameters,
            "def f(a, *, b, c, d, e, f, g, h, i): ...",
            ["chaffinch/planted.py:1: f takes 9 parameters"],
        ),
        (manners, "import sys\nsys.exit(1)", ["chaffinch/planted.py:2: calls sys.exit"]),
        (manners, "try:\n    f()\nexcept:\n    pass", ["chaffinch/planted.py:3: catches everything"]),
        (
            manners,
            "try:\n    f()\nexcept Exception:\n    pass",
            ["chaffinch/planted.py:3: catches Exception"],
        ),
        (manners, "try:\n    f()\nexcept OSError:\n    pass", []),
        (pickles, "import pickle", ["chaffinch/planted.py:1: imports pickle"]),
        (pickles, "np.load(f, allow_pickle=True)", ["chaffinch/planted.py:1: allow_pickle=True"]),
        (empty_inits, "def f(): ...", ["chaffinch/planted.py:1: FunctionDef in an __init__.py"]),
    ],
)
def test_source__checks_catch_what_is_planted(
    tmp_path: Path, check: Check, code: str, expected: list[str]
) -> None:
    package = tmp_path / "chaffinch"
    package.mkdir()
    (package / "planted.py").write_text(code)
    assert findings(check, package) == expected

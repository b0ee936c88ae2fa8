"""The house rules that no linter knows: lengths, the doors to time, entropy and the network, reasons beside exceptions to a rule."""

from __future__ import annotations

import ast
import re

import pytest

from tests.checks.tree import PACKAGE, body_length, comments, functions, imported, name_of, parsed, python_files

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 50

#: Where the clock and the source of entropy may be touched.
CLOCK = PACKAGE / "clock.py"
#: Deadlines measure how long something takes. They need no time of day, and no test has to turn a deadline back.
MONOTONIC = PACKAGE / "transports"
#: These stand in for other machines, or are programs: they may do what a program does.
FREE = (PACKAGE / "testing", PACKAGE / "cli")
HTTP_CLIENT = PACKAGE / "transports" / "client.py"
HTTP_CALL = PACKAGE / "transports" / "wire.py"
HTTP_STREAMS = PACKAGE / "transports" / "streams.py"
#: Puts the user's token on the application's own calls, so it is made for the application's client.
HTTP_AUTH = PACKAGE / "integrations" / "httpx.py"
REDIS_CLIENT = PACKAGE / "stores" / "redis.py"


def package_files():
    return python_files("oidc_middleware")


def is_free(path):
    return any(path.is_relative_to(folder) for folder in FREE)


def test_files_are_short():
    lengths = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in python_files()}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_are_short():
    lengths = {
        f"{name_of(path)}: {function.name}": body_length(function)
        for path in python_files("oidc_middleware", "tools", "examples", "benchmarks")
        for function in functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def _attributes(path):
    """``module.name`` for every use of a module's attribute."""
    return {f"{node.value.id}.{node.attr}" for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}


def _doors_passed(path):
    """Which doors to time and entropy a file uses besides the one it has."""
    modules = {module.partition(".")[0] for module in imported(path)}
    used = _attributes(path)
    passed = modules & {"random", "secrets", "uuid"} | used & {"os.urandom", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    if path.is_relative_to(MONOTONIC):
        return passed | {name for name in used if name.startswith("time.")} - {"time.monotonic"}
    return passed | modules & {"time"}


def test_time_and_entropy_come_through_their_door():
    passed = {name_of(path): _doors_passed(path) for path in package_files() if not is_free(path)}
    assert passed.pop(name_of(CLOCK)) == {"time", "secrets"}
    assert {name: doors for name, doors in passed.items() if doors} == {}


def test_the_http_client_is_imported_in_its_files_only():
    importers = {
        path for path in package_files() if any(module.partition(".")[0] in {"httpcore", "httpx", "httpx2", "requests"} for module in imported(path))
    }
    assert {name_of(path) for path in importers if not is_free(path)} == {name_of(path) for path in (HTTP_CLIENT, HTTP_CALL, HTTP_STREAMS, HTTP_AUTH)}


def test_the_redis_library_is_imported_in_one_file():
    importers = {path for path in package_files() if any(module.partition(".")[0] == "redis" for module in imported(path))}
    assert {name_of(path) for path in importers} == {name_of(REDIS_CLIENT)}


@pytest.mark.parametrize("room", ["protocol", "sessions", "policy", "flows"])
def test_pure_rooms_are_synchronous(room):
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    found = [name_of(path) for path in python_files(f"oidc_middleware/{room}") if any(isinstance(node, waiting) for node in ast.walk(parsed(path)))]
    assert found == []


def test_no_flow_yields_in_a_finally():
    """A cancelled request closes the generator, and nothing may be started then."""
    found = [
        f"{name_of(path)}:{part.lineno}"
        for path in package_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Try)
        for statement in node.finalbody
        for part in ast.walk(statement)
        if isinstance(part, (ast.Yield, ast.YieldFrom))
    ]
    assert found == []


def test_nothing_swallows_every_exception():
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in package_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]
    assert found == []


#: An exception to a rule: which rule, and then why.
_MARKS = {
    "type: ignore": re.compile(r"# type: ignore\[[\w, -]+\]"),
    "noqa": re.compile(r"# noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*"),
    "pragma": re.compile(r"# pragma: no (?:cover|branch)"),
}


def _is_reasoned(comment: str) -> bool:
    for mark, form in _MARKS.items():
        if re.search(rf"#\s*{mark}", comment):
            if not form.search(comment):
                return False
            comment = form.sub("", comment)
            if len(re.findall(r"[A-Za-z]{2,}", comment)) == 0:
                return False
    return True


def test_every_exception_to_a_rule_names_the_rule_and_the_reason():
    found = [f"{name_of(path)}:{line}: {text}" for path in python_files() for line, text in comments(path) if not _is_reasoned(text)]
    assert found == []


@pytest.mark.parametrize(
    ("comment", "accepted"),
    [
        ("# type: ignore[arg-type]  # starlette types it too narrowly", True),
        ("# noqa: S105  # a name, no password", True),
        ("# type: ignore[misc]  # noqa: N802  # a name that WSGI gives", True),
        ("# just a comment", True),
        ("# type" + ": ignore[arg-type]", False),
        ("# type" + ": ignore", False),
        ("# no" + "qa", False),
        ("# no" + "qa: S105", False),
    ],
)
def test_what_counts_as_a_reason(comment, accepted):
    assert _is_reasoned(comment) is accepted


def _says_nothing(node):
    """Why a statement of a test says nothing; ``""`` if it does."""
    if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant):
        return "asserts a constant"
    if isinstance(node, ast.Attribute) and node.attr == "xfail":
        return "expects to fail"
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.skip" and not node.args and not node.keywords:
        return "skips without a reason"
    return ""


def test_tests_say_something():
    nodes = ((path, node) for path in python_files("tests") for node in ast.walk(parsed(path)))
    assert [f"{name_of(path)}:{node.lineno} {why}" for path, node in nodes if (why := _says_nothing(node))] == []

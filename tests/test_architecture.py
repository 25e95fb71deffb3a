"""The house stands: who imports whom, what an import costs, and what is public."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import subprocess
import sys
from contextlib import contextmanager
from graphlib import TopologicalSorter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import pytest

import omnichat_async

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "omnichat_async"
ROOT = Path(omnichat_async.__file__).parent

FLOORS: list[set[str]] = [
    {"_version"},
    {"values", "errors", "calls", "windows", "checks"},
    {"models", "codec"},
    {"classify"},
    {"limits", "limiter_stats", "retries", "events", "clock", "loops", "database"},
    {"transport", "connections"},
    {"session"},
    {"paging", "walk"},
    {"endpoints"},
    {"client"},
    {""},  # the package's own __init__
    {"jobs", "webhooks", "sandbox"},
    {"integrations", "testing", "cli"},
    {"__main__"},
]
"""The rooms from the ground up. A room imports from below, or from its own floor."""

MAY_SPEAK_AIOHTTP = {"transport", "connections", "sandbox", "integrations", "webhooks", "testing"}
PURE = ["errors", "calls", "windows", "checks", "models", "codec", "classify", "events", "retries"]


class Import(NamedTuple):
    """One import statement's module, and whether it happens when the code runs."""

    module: str
    at_runtime: bool


def modules() -> dict[str, Path]:
    """Every module of the package under its dotted name below the package."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = file
    return found


MODULES = modules()
SDK = [name for name in MODULES if name.partition(".")[0] != "sandbox"]


def room(module: str) -> str:
    return module.partition(".")[0]


def floor(module: str) -> int:
    numbers = [number for number, rooms in enumerate(FLOORS) if room(module) in rooms]
    assert len(numbers) == 1, f"{module} has no floor: put its room into FLOORS"
    return numbers[0]


def imports(module: str) -> list[Import]:
    """All imports of a module, those inside functions too."""
    found: list[Import] = []

    def visit(node: ast.AST, at_runtime: bool) -> None:
        for name in imported(module, node):
            found.append(Import(name, at_runtime))
        types_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for field, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, at_runtime and not (types_only and field == "body"))

    visit(ast.parse(MODULES[module].read_text(encoding="utf-8")), True)
    return found


def imported(module: str, node: ast.AST) -> Iterator[str]:
    """The modules that one statement of `module` names, in full."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            base = importlib.util.resolve_name("." * node.level + base, package_of(module))
        for alias in node.names:
            below = f"{base}.{alias.name}".removeprefix(f"{PACKAGE}.")
            is_module = room(base) == PACKAGE and below in MODULES
            yield f"{PACKAGE}.{below}" if is_module else base


def package_of(module: str) -> str:
    """The package that a relative import in `module` starts from."""
    return ".".join([PACKAGE, *MODULES[module].parent.relative_to(ROOT).parts])


def own_imports(module: str) -> Iterator[Import]:
    """Imports from this package, as names below it."""
    for name, at_runtime in imports(module):
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            yield Import(name.removeprefix(PACKAGE).removeprefix("."), at_runtime)


def run(code: str, *arguments: str, flags: tuple[str, ...] = ()) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, *flags, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """The base URL of a server that has but one answer, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


# ---- directions --------------------------------------------------------------------------------


def test_the_reader_of_imports_sees_what_it_should() -> None:
    assert len(MODULES) > 20
    assert Import("aiohttp", True) in imports("transport")
    assert Import("codec", True) in list(own_imports("session"))
    assert Import("calls", False) in list(own_imports("errors"))
    assert Import("sandbox.server", True) in list(own_imports("sandbox.sandbox"))


@pytest.mark.parametrize("module", SDK)
def test_a_room_imports_only_from_below(module: str) -> None:
    for name, _ in own_imports(module):
        assert floor(name) <= floor(module), f"{module} imports {name}, which is above it"


def test_no_imports_go_round_in_a_circle() -> None:
    graph = {
        module: {name for name, at_runtime in own_imports(module) if at_runtime} for module in SDK
    }
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "sandbox"])
def test_the_sandbox_imports_nothing_from_the_sdk(module: str) -> None:
    assert {room(name) for name, _ in own_imports(module)} <= {"sandbox"}


@pytest.mark.parametrize("module", [name for name in SDK if room(name) not in MAY_SPEAK_AIOHTTP])
def test_only_the_transport_speaks_aiohttp(module: str) -> None:
    heavy = {"aiohttp", "yarl", "multidict"}
    names = {room(name) for name, at_runtime in imports(module) if at_runtime}
    assert not names & heavy


@pytest.mark.parametrize("name", PURE)
def test_a_pure_room_brings_no_aiohttp_with_it(name: str) -> None:
    """A stand-in for the package keeps its __init__, which imports the client, out of this."""
    code = (
        "import sys, types, importlib\n"
        f"package = types.ModuleType({PACKAGE!r}); package.__path__ = [{str(ROOT)!r}]\n"
        f"sys.modules[{PACKAGE!r}] = package\n"
        f"importlib.import_module({f'{PACKAGE}.{name}'!r})\n"
        "print('\\n'.join(sys.modules))"
    )
    loaded = run(code).split()
    assert f"{PACKAGE}.{name}" in loaded
    assert not {"aiohttp", "yarl", "multidict", f"{PACKAGE}.transport"} & set(loaded)
    if name in {"errors", "calls", "windows", "checks", "events"}:
        assert not {"cattrs", "aiolimiter", "backoff", "asyncio"} & set(loaded)


# ---- the cost of an import ---------------------------------------------------------------------


def test_an_import_adds_at_most_120_modules_to_aiohttp() -> None:
    code = (
        "import sys, json, aiohttp\n"
        "before = set(sys.modules)\n"
        f"import {PACKAGE}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    added = json.loads(run(code))
    assert f"{PACKAGE}.client" in added
    assert len(added) <= 120, added
    optional = {"cli", "database", "jobs", "walk", "sandbox", "webhooks", "integrations", "testing"}
    assert not {room(name.removeprefix(f"{PACKAGE}.")) for name in added} & optional
    extras = {"msgspec", "orjson", "typer", "rich", "pyarrow", "redis", "fastapi", "uvloop"}
    assert not extras & set(added)


def test_aiohttp_is_imported_when_a_client_is_entered_and_not_before() -> None:
    code = (
        "import asyncio, sys\n"
        f"from {PACKAGE} import OmnichatClient\n"
        "client = OmnichatClient('t', base_url='http://127.0.0.1:9')\n"
        "print('aiohttp' in sys.modules, 'orjson' in sys.modules, repr(client))\n"
        "async def main():\n"
        "    async with client: print('aiohttp' in sys.modules)\n"
        "asyncio.run(main())"
    )
    before = "False False OmnichatClient(base_url='http://127.0.0.1:9')"
    assert run(code).splitlines() == [before, "True"]


def test_what_a_client_does_not_need_is_imported_when_it_is_asked_for() -> None:
    code = (
        f"import sys, {PACKAGE}\n"
        f"{PACKAGE}.OmnichatClient('t')\n"
        f"print('{PACKAGE}.paging' in sys.modules)\n"
        f"print({PACKAGE}.Listing.__name__)\n"
        f"try: {PACKAGE}.Lister\n"
        "except AttributeError as error: print(error)"
    )
    missing = f"module '{PACKAGE}' has no attribute 'Lister'"
    assert run(code).splitlines() == ["False", "Listing", missing]


FIRST_PAGE = f"""
import asyncio, attrs, json, sys
from {PACKAGE} import OmnichatClient, RateLimiter

async def main():
    limiter = RateLimiter(jitter=1)  # however slow this machine is
    async with OmnichatClient("t", base_url=sys.argv[1], limiter=limiter) as client:
        return await client.messages.list(platform="line", after=0, before=1000)

rows = [row.id for row in asyncio.run(main())]
ours = {{name: module for name, module in sys.modules.items() if name.startswith("{PACKAGE}")}}
made = {{
    each.__name__
    for name, module in ours.items()
    for each in vars(module).values()
    if isinstance(each, type) and attrs.has(each) and each.__module__ == name
}}
print(json.dumps([rows, sorted(sys.modules), sorted(made)]))
"""


def test_a_first_page_brings_only_what_it_needs() -> None:
    page = b'{"content":[{"id":"1","time":1,"channel":{"platform":"line"}}],"totalElements":1}'
    with answering(page) as url:
        rows, loaded, made = json.loads(run(FIRST_PAGE, url))
    assert rows == ["1"]
    assert {"aiohttp", "backoff", f"{PACKAGE}.retries", f"{PACKAGE}.codec.explain"} <= set(loaded)
    needless = {"aiolimiter", "cattrs", "msgspec", "orjson"}
    assert not needless & {room(name) for name in loaded}
    ours = {name.removeprefix(f"{PACKAGE}.") for name in loaded if name.startswith(f"{PACKAGE}.")}
    optional = {"events", "limiter_stats", "walk", "database", "jobs", "webhooks", "cli", "sandbox"}
    assert not optional & {room(name) for name in ours}
    assert not {"models.body", "codec.straight"} & ours
    assert {name for name in ours if name.startswith(("models.", "endpoints."))} == {
        *("models.base", "models.common", "models.messages"),
        *("endpoints.base", "endpoints.messages"),
    }
    # Each takes as long to make as ten rows take to read.
    values = {"Call", "Checkpoint", "Page", "RetryPolicy", "Window"}
    assert set(made) == values | {"Channel", "Message", "Model"}


NO_DESCRIPTORS = f"""
import asyncio, os, resource
from {PACKAGE} import NotSent, OmnichatClient, RateLimiter, RetryPolicy

async def main():
    limiter, retry = RateLimiter(1, jitter=1), RetryPolicy(max_attempts=3, base=0.01)
    url = "http://127.0.0.1:9/v1"
    async with OmnichatClient("t", base_url=url, limiter=limiter, retry=retry) as client:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        try:
            while True: os.open(os.devnull, os.O_RDONLY)
        except OSError: pass
        try: await client.request("GET", "/messages")
        except NotSent as error: print(error)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_process_without_file_descriptors_hears_what_is_wrong() -> None:
    """What is imported late must not be missing when a failure is to be told."""
    told = run(NO_DESCRIPTORS)
    assert told.startswith("GET /messages: not sent: ")
    assert "Too many open files" in told


def test_an_import_warns_of_nothing_and_prints_nothing() -> None:
    assert run(f"import {PACKAGE}", flags=("-W", "error")) == ""


# ---- what is public ----------------------------------------------------------------------------

PUBLIC = [name for name in SDK if not any(part.startswith("_") for part in name.split("."))]
PUBLIC.append("sandbox")


def public_module(name: str) -> object:
    # Extras may be missing where the tests run.
    return pytest.importorskip(f"{PACKAGE}.{name}".removesuffix("."), exc_type=ImportError)


@pytest.mark.parametrize(
    "name", [name for name in PUBLIC if name not in {"endpoints", "integrations"}]
)
def test_a_module_says_what_is_public_and_documents_it(name: str) -> None:
    module = public_module(name)
    names = getattr(module, "__all__", None)
    assert names, f"{name} has no __all__"
    assert len(names) == len(set(names)), "a name is there twice"
    for each in names:
        value = getattr(module, each)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name}.{each} has no docstring"
            assert not value.__doc__.startswith(f"{each}("), f"{name}.{each}: attrs' own docstring"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_has_a_docstring_of_its_own(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)


def test_the_version_is_a_version() -> None:
    assert [part.isdigit() for part in omnichat_async.__version__.split(".")] == [True] * 3

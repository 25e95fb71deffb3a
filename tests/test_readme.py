"""The README does what it says."""

from __future__ import annotations

import ast
import builtins
import re
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from omnichat_async import OmnichatClient
from tests.support.exports import ROOT, environment, in_process, served

if TYPE_CHECKING:
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
NOXFILE = (ROOT / "noxfile.py").read_text(encoding="utf-8")
TEST_COMMAND = "python3 noxfile.py tests"

DAY_MS = 86_400_000


def blocks(language: str, page: str = README) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def shell_lines() -> list[list[str]]:
    """The words of each line that is to be typed, without variables and comments."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(re.sub(r"^(\w+=\S+ )+", "", line), comments=True) for line in lines]


def omnichat_lines() -> list[str]:
    """The `omnichat` command lines, in blocks and in running text."""
    typed = [shlex.join(words) for words in shell_lines() if words[0] == "omnichat"]
    return [*typed, *re.findall(r"`(omnichat [a-z][^`]*)`", README)]


@pytest.mark.parametrize("code", blocks("python"), ids=range(len(blocks("python"))))
def test_python_blocks_compile(code: str) -> None:
    compile(code, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_first_block_is_a_program() -> None:
    tomorrow = (int(time.time() * 1000) // DAY_MS + 1) * DAY_MS
    span = {"start_ms": tomorrow - 365 * DAY_MS, "end_ms": tomorrow}
    with served(rows=20_000, **span) as sandbox:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", blocks("python")[0]],
            env=environment(
                OMNICHAT_API_TOKEN=sandbox.token,
                OMNICHAT_BASE_URL=sandbox.url,
                PYTHONIOENCODING="utf-8",
            ),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert sandbox.stats().requests > 10
    assert len(re.findall(r"^20\d\d-\d\d-\d\d ", done.stdout, re.MULTILINE)) > 200


@pytest.mark.parametrize("line", omnichat_lines())
def test_omnichat_lines_are_accepted(
    line: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMNICHAT_API_TOKEN", raising=False)
    argv = shlex.split(line)[1:]
    if "--sandbox" in argv:
        assert in_process(capsys, *argv, "--after", "1d")[0] == 0
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["messages.jsonl", "messages.jsonl.checkpoint"]
    else:
        code, stdout, _ = in_process(capsys, *argv, "--help")
        assert (code, stdout.startswith("Usage: omnichat")) == (0, True)


def test_there_are_omnichat_lines() -> None:
    assert len(omnichat_lines()) >= 2


def test_options_named_in_the_text_exist(capsys: pytest.CaptureFixture[str]) -> None:
    commands: tuple[list[str], ...] = (
        [],
        ["export", "messages"],
        ["broadcast", "send"],
        ["broadcast", "resume"],
    )
    helps = [in_process(capsys, *argv, "--help")[1] for argv in commands]
    known = "".join([*helps, in_process(capsys, "sandbox", "--help")[1]])
    options = set(re.findall(r"`(--[a-z-]+)", README))
    assert {"--after", "--before", "--since-last", "--force", "--json", "--fault"} <= options
    assert [option for option in options if f"{option} " not in known] == []


def test_the_reference_lists_every_area() -> None:
    page = (ROOT / "docs" / "pages" / "reference.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: omnichat_async\.endpoints\.(\w+)\.(\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted(OmnichatClient.__annotations__.items())


PAGES = sorted((ROOT / "docs" / "pages").glob("*.md"))
SNIPPETS = [
    (page.name, code)
    for page in PAGES
    for code in blocks("python", page.read_text(encoding="utf-8"))
]

GIVEN = {"client", "receiver", "after", "before"}
GIVEN |= {"body", "headers", "url", "secret", "token", "signature_secret", "verify_token"}


@pytest.mark.parametrize(("page", "code"), SNIPPETS, ids=[name for name, _ in SNIPPETS])
def test_names_in_the_pages_are_known(page: str, code: str) -> None:
    """A snippet imports what it uses, but for what programs of its kind have."""
    tree = compile(code, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {each.id for each in names if isinstance(each.ctx, ast.Store)} | set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            made |= {alias.asname or alias.name for alias in node.names}
            module = pytest.importorskip(node.module or "", exc_type=ImportError)
            assert [each.name for each in node.names if not hasattr(module, each.name)] == []
        if isinstance(node, ast.Import):
            made |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            made |= {node.name, *(each.arg for each in node.args.args)}
    assert {each.id for each in names} - made <= GIVEN


def test_nox_sessions_exist() -> None:
    sessions = set(re.findall(r"^@nox\.session.*\ndef (\w+)\(", NOXFILE, re.MULTILINE))
    used = {
        word
        for words in shell_lines()
        if "noxfile.py" in words
        for word in words[words.index("noxfile.py") + 1 :]
        if not word.startswith("-")
    }
    named = re.search(r"^(`\w+`.*) are sessions too", README, re.MULTILINE)
    assert named is not None
    used |= set(re.findall(r"`(\w+)`", named[1]))
    assert used >= {"demo", "tests", "slow"}
    assert used <= sessions


def test_ci_runs_the_test_command() -> None:
    assert TEST_COMMAND.split() in shell_lines()
    assert TEST_COMMAND in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

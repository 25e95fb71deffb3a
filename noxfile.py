"""Every check of this project, each in its own environment.

``python3 noxfile.py SESSION ...`` works on a fresh machine: it makes ``.venv``, installs nox
there and runs the sessions. With nox installed, ``nox -s SESSION`` does the same.
With ``NOX_DEFAULT_VENV_BACKEND=uv`` the environments are made by uv, which takes seconds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
EXPORT = "exports/messages.jsonl"


# ---- a machine with nothing but Python and git -------------------------------------------------


def bootstrap(sessions: list[str]) -> int:
    """Run nox from a virtual environment of its own, made first if need be."""
    if sys.version_info < (3, 11):  # noqa: UP036 - so that an older one says so
        print(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv = ["uv"] if os.environ.get("NOX_DEFAULT_VENV_BACKEND") == "uv" else []
    if not (python.exists() and succeeds(python, f"import {', '.join(['nox', *uv])}")):
        make_venv()
        wanted = ["nox>=2024.4", *uv]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    command = [str(python), "-m", "nox", "-f", __file__, "-s", *sessions]
    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:  # nox had the same signal and has said what there is to say
        return 130


def succeeds(python: Path | str, code: str) -> bool:
    """Whether an interpreter can run `code`."""
    return not subprocess.run([python, "-c", code], capture_output=True, check=False).returncode


def make_venv() -> None:
    """Debian and Ubuntu ship Python without what a virtual environment needs."""
    if not succeeds(sys.executable, "import ensurepip"):
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        print(f"installing {package}, which this Python lacks", file=sys.stderr)
        subprocess.run([*sudo, "apt-get", "update", "-qq"], check=True)
        subprocess.run([*sudo, "apt-get", "install", "-y", "-qq", package], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


if __name__ == "__main__":
    sys.exit(bootstrap(sys.argv[1:] or ["tests"]))


# ---- sessions ----------------------------------------------------------------------------------

import contextlib
import sqlite3
import tomllib

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_external_run = True


def interpreters() -> list[str]:
    """Every supported Python on this machine that really starts."""
    found: dict[str, str] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in VERSIONS:
        candidates = [shutil.which(f"python{minor}"), *sorted(pyenv.glob(f"{minor}.*/bin/python"))]
        for candidate in candidates:
            right = f"import sys; assert '%d.%d' % sys.version_info[:2] == '{minor}'"
            if candidate and succeeds(str(candidate), right):
                found[minor] = str(candidate)
                break
    return list(found.values()) or [sys.executable]


PYTHONS = interpreters()
NEWEST = PYTHONS[-1]


def dependency_group(name: str) -> list[str]:
    """The requirements of a dependency group of pyproject.toml."""
    groups: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
        "dependency-groups"
    ]
    return groups[name]


def is_unfinished(file: Path) -> bool:
    """Whether there is an export that was interrupted."""
    checkpoint = file.with_name(f"{file.name}.checkpoint")
    if not checkpoint.exists():
        return False
    with contextlib.closing(sqlite3.connect(checkpoint)) as database:
        try:
            return bool(
                database.execute("SELECT 1 FROM omnichat_job WHERE finished IS NULL").fetchone()
            )
        except sqlite3.Error:  # of an older version, or nothing of ours
            return False


@nox.session(python=NEWEST)
def demo(session: nox.Session) -> None:
    """Export 30 days of chat history: from a sandbox, or from your account with a token set."""
    session.install("-e", ".[cli]", "-q")
    (ROOT / EXPORT).parent.mkdir(exist_ok=True)
    source = [] if os.environ.get("OMNICHAT_API_TOKEN") else ["--sandbox"]
    # An interrupted export is gone on with; a finished one is made anew.
    mode = ["--resume"] if is_unfinished(ROOT / EXPORT) else ["--force"]
    command = ["omnichat", "export", "messages", *source, "--out", EXPORT, *mode]
    session.run(*command, *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, on every interpreter found; the newest one measures branches, with a floor.

    Arguments after -- go to pytest, and then nothing is measured.
    """
    session.install("-e", ".[all]", *dependency_group("test"), "-q")
    if session.posargs or session.python != NEWEST:
        session.run("pytest", "-q", "-n", "auto", *session.posargs)
        return
    session.run("coverage", "erase")
    session.run("pytest", "-q", "-n", "auto", "--cov", "--cov-report=")
    session.run("coverage", "report")
    session.run("coverage", "report", "--fail-under=95", "--format=total")
    # The rules without I/O are tested branch by branch.
    pure = ["errors", "calls", "windows", "classify", "retries", "limits", "events"]
    files = ",".join(f"omnichat_async/{name}.py" for name in pure)
    files += ",omnichat_async/codec/*,omnichat_async/models/*"
    session.run("coverage", "report", f"--include={files}", "--fail-under=100", "--format=total")


@nox.session(python=NEWEST)
def slow(session: nox.Session) -> None:
    """The long tests: hours on a virtual clock, and real processes killed again and again."""
    session.install("-e", ".[all]", *dependency_group("test"), "-q")
    timeout = ["--timeout=7200"] if os.environ.get("OMNICHAT_TESTS_FULL") == "1" else []
    session.run("pytest", "-q", "-n", "auto", "-m", "slow", *timeout, *session.posargs)


@nox.session(python=PYTHONS[0])
def minimums(session: nox.Session) -> None:
    """The tests with the oldest dependencies that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(r for name in extras if name != "all" for r in extras[name]),
    ]
    lowest = [re.sub(r">=([\d.]+).*", r"==\1", requirement) for requirement in wanted]
    session.install(*lowest, *dependency_group("test"), "-q")
    session.install("-e", ".", "--no-deps", "-q")
    # The long proofs and the tests of the test tools run on new versions only.
    rest = ["--ignore=tests/sandbox", "--ignore=tests/test_limits_bars.py"]
    rest += ["--ignore=tests/contract/test_fuzz.py", "--ignore-glob=tests/test_walk_*"]
    rest += ["--ignore-glob=tests/test_support_*"]
    session.run("pytest", "-q", "-n", "auto", *rest, *session.posargs)


@nox.session(python=NEWEST)
def lint(session: nox.Session) -> None:
    """ruff: rules and format."""
    session.install(*dependency_group("lint"), "-q")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=PYTHONS[0])
def types(session: nox.Session) -> None:
    """mypy --strict and pyright."""
    session.install("-e", ".[all]", *dependency_group("types"), *dependency_group("test"), "-q")
    session.install("nox", "-q")
    session.run("mypy")
    session.run("pyright")


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """Build the documentation; a broken link fails."""
    session.install("-e", ".", *dependency_group("docs"), "-q")
    session.env["NO_MKDOCS_2_WARNING"] = "1"  # its theme advertises a successor
    session.run("mkdocs", "build", "--strict", "-q", "-f", "docs/mkdocs.yml", "-d", "../build/site")


@nox.session(python=NEWEST)
def bench(session: nox.Session) -> None:
    """The benchmarks. ``-- --smoke`` makes them short, ``-- --json FILE`` keeps the results.

    What the SDK is compared with goes into an environment of its own; for a short run that is
    not made, but used if it is there.
    """
    session.install("-e", ".[all]", *dependency_group("test"), "-q")
    options = list(session.posargs)
    if "--json" in options:
        at = options.index("--json")
        session.env["BENCH_JSON"] = str(Path(options[at + 1]).resolve())
        del options[at : at + 2]
    peers = ROOT / ".nox" / "bench-peers"
    if "--smoke" not in options:
        session.run("python", "-m", "venv", str(peers))
        wanted = dependency_group("peers")
        session.run(str(peers / "bin" / "pip"), "install", "-q", *wanted, external=True)
    if peers.exists():
        session.env["BENCH_PEERS"] = str(peers / "bin" / "python")
    for file in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        session.run("python", "-m", f"benchmarks.{file.stem}", *options)


@nox.session(python=NEWEST)
def model(session: nox.Session) -> None:
    """Look for a world in which the certified walk loses a row. ``-- --worlds 300000``."""
    session.install("-e", ".", *dependency_group("test"), "-q")
    session.run(
        "python", "-m", "tests.support.adversary", *(session.posargs or ["--worlds", "20000"])
    )


@nox.session(python=NEWEST)
def build(session: nox.Session) -> None:
    """Build the wheel, install it, and use it from outside the checkout."""
    session.install(*dependency_group("build"), "-q")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist", ".", silent=True)
    (wheel,) = (ROOT / "dist").glob("*.whl")
    session.install(f"{wheel}[cli]", "-q")
    session.chdir(session.create_tmp())
    session.run(
        "python",
        "-W",
        "error",
        "-c",
        "import omnichat_async as o; print(o.__version__, o.__file__)",
    )
    session.run(
        "omnichat", "--sandbox", "export", "report-messages", "--force", "--out", "report.csv"
    )

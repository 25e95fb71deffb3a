"""The command line: ``omnichat``."""

from __future__ import annotations

import io
import sys

from omnichat_async.cli.exits import USAGE

__all__ = ["main"]


def main() -> None:
    """Run the command line. Needs the extra ``cli``."""
    try:
        import rich  # noqa: F401, PLC0415 - an extra, looked for here and nowhere else
        import typer  # noqa: F401, PLC0415
    except ImportError:
        print("omnichat needs the extra: pip install 'omnichat_async[cli]'", file=sys.stderr)  # noqa: T201
        sys.exit(USAGE)
    from omnichat_async.cli.app import run  # noqa: PLC0415

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # a name may be in any script
    sys.exit(run(sys.argv[1:]))

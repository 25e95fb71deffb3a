"""Make the documentation's page of results from the JSON that the benchmarks wrote.

python -m benchmarks.publish FILE [NOTE]
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

PAGES = Path(__file__).resolve().parents[1] / "docs" / "pages"

HEAD = """# Benchmarks

```sh
python3 noxfile.py bench -- --json results.json   # measures; some minutes
python3 -m benchmarks.publish results.json        # makes this page
```

A server with ready-made pages runs in a process of its own. Every case runs in a fresh process,
in turn with the others, and is measured after a warm-up; CPU is user and system time of the
client alone. Machines change their speed from second to second, so a ratio is taken within a
turn, and the median over all turns is what counts. What the SDK is compared with is installed
in an environment of its own, and used as its documentation says. Rows are chat messages of 14
fields and about 600 bytes, 100 a page.

"openai paginator" is openai-python's client, paginator and models made to read this API, since
clients made by the same generator are what one would otherwise be given: as it comes it does not
check what it reads, "validating" is its strict option.

For webhooks, pywa is measured without its dispatch. It reads the first message of a request and
no other, so that a batch of 1,000 is also taken apart by hand for it. What is written by hand with
json and pydantic has the fields of a text message only.

![CPU per row of listings](benchmarks.svg)
"""


def table(found: dict[str, Any]) -> str:
    """One benchmark: its cases and its bars."""
    lines = [f"\n## {found['title']}\n", f"{found['machine']}\n"]
    for figure in dict.fromkeys(row["figure"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["figure"] == figure]
        heading = ", ".join(filter(None, (figure, rows[0]["unit"])))
        lines += [f"| | {heading} | least to most | x {rows[0]['over']} |"]
        lines += ["|---|---:|---:|---:|"]
        for row in rows:
            figures = f"{row['median']:,.2f} | {row['least']:,.2f} to {row['most']:,.2f}"
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
            lines.append(f"| {row['case']} | {figures} | {ratio} |")
        lines.append("")
    if found["bars"]:
        lines += ["| aim | | measured | |", "|---|---|---:|---|"]
        for bar in found["bars"]:
            met = "met" if bar["met"] else "**missed**"
            lines.append(f"| {bar['what']} | {bar['bar']} | {bar['median']:.3g} | {met} |")
        lines.append("")
    return "\n".join(lines)


def plot(rows: list[dict[str, Any]]) -> str:
    """A bar for each case, with its median and the range of its rounds."""
    rows = sorted(rows, key=lambda row: float(row["median"]))
    longest = max(float(row["most"]) for row in rows)
    left, width, step = 240, 480, 26
    parts = []
    for number, row in enumerate(rows):
        y = 10 + number * step
        median, least, most = (row[key] / longest * width for key in ("median", "least", "most"))
        colour = "#2a7de1" if row["case"].split()[0] in {"typed", "raw"} else "#9aa5b1"
        name, value = escape(row["case"]), f"{row['median']:.1f}"
        parts.append(
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{name}</text>'
            f'<rect x="{left}" y="{y}" width="{median:.1f}" height="18" fill="{colour}"/>'
            f'<path d="M{left + least:.1f} {y + 9}H{left + most:.1f}" stroke="#333"/>'
            f'<text x="{left + most + 6:.1f}" y="{y + 14}">{value}</text>'
        )
    height = 40 + len(rows) * step
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 60} {height}" '
        'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + f'\n<text x="{left}" y="{height - 10}">CPU of the client, microseconds per row</text>\n'
        "</svg>\n"
    )


def main() -> None:
    """Write the page and its plot."""
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    note = "".join(f"\n{each}\n" for each in sys.argv[2:])
    text = HEAD + note + "".join(table(each) for each in found.values())
    (PAGES / "benchmarks.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    drawn = plot(found["listings"]["rows"])
    (PAGES / "benchmarks.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()

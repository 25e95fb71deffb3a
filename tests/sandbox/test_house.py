"""The sandbox stands on its own."""

import ast
from pathlib import Path

import omnichat_async.sandbox

ROOT = Path(omnichat_async.sandbox.__file__).parent


def test_it_imports_nothing_from_the_rest_of_the_package() -> None:
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 20
    for file in files:
        depth = len(file.relative_to(ROOT).parts)  # how many dots stay inside the sandbox
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= depth, f"{file}: leaves the sandbox"
                names = [node.module or ""] if node.level == 0 else []
            else:
                continue
            for name in names:
                outside = name.split(".")[0] == "omnichat_async"
                inside = (name + ".").startswith("omnichat_async.sandbox.")
                assert inside or not outside, f"{file}: imports {name}"

"""`make mutants`: small faults put one by one into the code that judges, by mutmut, and which of them no test notices.

`tests/mutants.md` says what was found. mutmut leaves functions with decorators alone, and much that matters here is a property. So it works on
a copy of the tree, in build/mutants, in which `name = property(name)` stands behind a function in place of `@property` before it.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants"
NEEDED = ("calibration", "docs", "pyproject.toml", "README.md", "targets", "tests", "toolkit")


def main() -> int:
    """Run mutmut on all mutants, or on those whose names match the arguments, and print how many of each module are left."""
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.rmtree(COPY / name, ignore_errors=True)
            shutil.copytree(ROOT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            COPY.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    # Which tests reach what is found anew: one that has another name by now could not be run, and would count as one that noticed.
    (COPY / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    for path in (COPY / "toolkit").rglob("*.py"):
        path.write_text(without_property_decorators(path.read_text("utf-8")), "utf-8")
    mutmut, environment = [sys.executable, "-m", "mutmut"], os.environ | {"PYTHONPATH": ""}
    status = subprocess.run([*mutmut, "run", *sys.argv[1:]], cwd=COPY, env=environment, check=False).returncode
    listed = subprocess.run([*mutmut, "results", "--all", "true"], cwd=COPY, check=True, capture_output=True, text=True)
    print_table(listed.stdout)
    return status


def without_property_decorators(text: str) -> str:
    """Return a module's text with each property made behind its function; no other line moves by more than one."""
    lines = text.splitlines()
    made = [
        each
        for owner in ast.walk(ast.parse(text))
        if isinstance(owner, ast.ClassDef)
        for each in owner.body
        if isinstance(each, ast.FunctionDef) and [ast.unparse(one) for one in each.decorator_list] == ["property"]
    ]
    for each in made:
        assert each.end_lineno is not None
        lines[each.decorator_list[0].lineno - 1] = ""
        lines[each.end_lineno - 1] += f"\n{' ' * each.col_offset}{each.name} = property({each.name})"
    return "\n".join(lines) + "\n"


def print_table(listed: str) -> None:
    """Print the number of mutants of each module, in all and by what became of them; then the names of those that are left."""
    found = [line.strip().rpartition(": ")[::2] for line in listed.splitlines() if "__mutmut_" in line]
    counts: dict[str, Counter[str]] = {}
    for name, status in found:
        counts.setdefault(name.rpartition(".")[0], Counter())[status] += 1
    kinds = ("killed", "timeout", "survived", "no tests", "not checked")
    print(f"{'module':<36}{'mutants':>9}" + "".join(f"{kind:>13}" for kind in kinds))
    for module, of_module in sorted(counts.items()):
        print(f"{module:<36}{of_module.total():>9}" + "".join(f"{of_module[kind]:>13}" for kind in kinds))
    for name, status in found:
        if status in ("survived", "no tests"):
            print(f"{status:<9} {name}")


if __name__ == "__main__":
    sys.exit(main())

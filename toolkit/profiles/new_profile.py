"""A profile of the user's own that begins like another one: valid at once, with what a user changes as comments.

A comment that begins with `#` and a key, as `#threads = 1`, is a setting with the inherited value: without the `#` it says the same. All other
comments begin with `# `, and are for people.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from toolkit import printable, profiles
from toolkit.comparison.bounds import ACHIEVABLE, Bound
from toolkit.comparison.deciding import ALL, deciding, for_scheme
from toolkit.errors import EdgeToolkitError, RequestError, all_at_once, gathering
from toolkit.files.outputs import OutputPath, require_files
from toolkit.files.whole import whole_file
from toolkit.profiles.budget import Budget
from toolkit.profiles.profile import Runtime, Target, require_name

SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "target.json"  # in a checkout and in a wheel
_BUDGETS = {
    "file_bytes": "the most bytes of the model's file",
    "arena_bytes": "the most bytes of the tensors of a call",
    "flash_bytes": "the flash that holds the model beside the program",
    "latency_ms": "the most milliseconds of a call, measured on the device",
    "peak_memory_bytes": "the most resident bytes of the process that makes the calls, measured on the device",
}


def write_new(name: str, like: str, out: Path | None = None) -> Path:
    """Write a profile `name` that extends `like`, to `out`, or else to targets/NAME.toml, and return its path.

    RequestError with all mistakes: a name that no folder can have, an unknown or abstract `like`, a file that is there already or has another name.
    StoreFailed where the disk refuses.
    """
    path = Path("targets", f"{name}.toml") if out is None else out
    mistakes: list[RequestError] = []
    with gathering(mistakes):
        require_name(name)
        _require_place(path, name)
    with gathering(mistakes):
        target = profiles.runnable(like)
    if mistakes:
        raise all_at_once(mistakes)
    text = "\n".join(_lines(name, target, path, _extends(like, path))) + "\n"
    with whole_file(path, _refusal) as aside:
        aside.write_text(text, "utf-8")
    try:
        profiles.check(path)
    except EdgeToolkitError:
        path.unlink()
        raise
    return path


def _require_place(path: Path, name: str) -> None:
    if path.name != f"{name}.toml":
        raise RequestError(f"--out {path}: a profile's file has its name; expected {path.with_name(f'{name}.toml')}")
    require_files([OutputPath(path, _refusal)])


def _refusal(path: Path) -> str | None:
    there = os.path.lexists(path)
    return (
        "is there already, and is never overwritten; choose another name, or another folder with --out"
        if there
        else None
    )


def _extends(like: str, path: Path) -> str:
    """Return what `extends` has to say in a file at `path`: the name, or a path from there where the name does not mean the same file there."""
    found = os.path.realpath(profiles.locate(like))
    if (
        Path(like).name == like
        and not like.endswith(".toml")
        and found == os.path.realpath(profiles.base_of(path, like))
    ):
        return like
    return os.path.relpath(found, os.path.realpath(path.parent))


def _lines(name: str, target: Target, path: Path, extends: str) -> Iterator[str]:
    shown, verified = printable.line(path), printable.line(target.verification)
    yield f"#:schema {printable.line(_schema(path))}"
    yield f"# A target of your own, like {target.name}. A line such as #threads = 1 has the inherited value: take the # away to change it."
    yield f"# `edge-toolkit targets check {shown}` lists all mistakes; `targets show` says where each value comes from."
    yield from ("", f"{_setting('name', name)}  # the file's name")
    yield f"{_setting('about', f'{name}, like {target.name}')}  # what `targets list` shows"
    yield _setting("extends", extends)
    yield "#" + _setting("hardware", target.hardware)
    yield "# In order of preference: the first that passes is shipped."
    yield "#" + _setting("schemes", target.schemes)
    yield from ("", "[runtime]", f"# {target.name} is verified: {verified}. Another launcher has other options.")
    yield from _runtime(target.runtime)
    yield from ("", "[budget]")
    yield from _budget(target.budget)
    yield from _bound(target)


def _runtime(runtime: Runtime) -> Iterator[str]:
    yield f"# The version of {runtime.name} that the device has."
    yield "#" + _setting("version", runtime.version)
    yield "#" + _setting("launcher", runtime.launcher)
    yield "# cpu: none is inherited" if runtime.cpu is None else "#" + _setting("cpu", runtime.cpu)
    yield "#" + _setting("threads", runtime.threads)
    yield "#" + _setting("options", runtime.options)


def _budget(budget: Budget) -> Iterator[str]:
    for key, what in _BUDGETS.items():
        limit = getattr(budget, key)
        yield f"# {key}: {what}; no limit is inherited" if limit is None else f"#{_setting(key, limit)}  # {what}"


def _bound(target: Target) -> Iterator[str]:
    """Yield a bound on the total that decides for the first scheme: the first of the nearest file. The others are in `targets show`."""
    held = for_scheme(target.bounds, "total", target.schemes[0])
    decide = [bound for bound in deciding(held, ALL, "") if _has_a_limit(bound)]
    if not decide:
        return
    found = max(decide, key=lambda bound: bound.layer)
    yield from (
        "",
        f"# One of the bounds of {target.name}. A bound here on the same stage, output and metric decides in its place.",
    )
    yield "#[[bounds]]"
    yield from ("#" + _setting(key, value) for key, value in found.model_dump(exclude_defaults=True).items())


def _has_a_limit(bound: Bound) -> bool:
    return not (bound.off or bound.is_silent or bound.unit == ACHIEVABLE)


def _schema(path: Path) -> str:
    """Return where the schema lies: a path from the profile if both are below the current folder, else the address of the installed file."""
    folder = Path(os.path.realpath(path.parent))
    here = Path.cwd().resolve()
    near = SCHEMA.is_relative_to(here) and folder.is_relative_to(here)
    return os.path.relpath(SCHEMA, folder) if near else SCHEMA.as_uri()


def _setting(key: str, value: object) -> str:
    return f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    """Return a value as TOML, on one line: text, numbers, bool, lists and tables of them. JSON's escapes are TOML's but for DEL."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(str(key))} = {_toml(each)}" for key, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _toml(text)

"""Match arrays, columns and features with the model's inputs and the labels, and turn words into class numbers."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolkit import printable
from toolkit.errors import InvalidSamples, suggestion
from toolkit.findings import Finding

# Names of labels if the recipe gives none: habits of Keras, scikit-learn and Hugging Face.
LABEL_NAMES = ("labels", "label", "y")
_MOST_TOLD = 1000


def label_by_name(names: Iterable[str], taken: Iterable[str], what: str) -> tuple[str | None, list[Finding]]:
    """Return the name that usually means labels, or None, and the finding about it."""
    held, used = list(names), set(taken)
    name = next((name for name in LABEL_NAMES if name in held and name not in used), None)
    if name is None:
        return None, []
    message = f"the {what} {name!r} is taken for the labels, by its name; to be sure, give `labels` under [reader]"
    return name, [Finding("labels-by-name", "info", message, facts={what: name})]


def require(name: str, names: Sequence[str], key: str, what: str) -> str:
    """Return the name; InvalidSamples, with the closest known name, if it does not exist."""
    require_all([(key, name)], names, what)
    return name


def require_all(declared: Iterable[tuple[str, str]], names: Sequence[str], what: str) -> None:
    """Raise InvalidSamples with a line for each (key of [reader], name) whose name does not exist."""
    problems = [
        f"reader.{key}: no {what} {name!r}; {suggestion(name, names)}" for key, name in declared if name not in names
    ]
    if problems:
        raise InvalidSamples(printable.lines(problems))


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the names that fit a pattern (`pixel*`), pixel2 before pixel10."""
    return sorted((name for name in names if fnmatch.fnmatchcase(name, pattern)), key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def told(names: Sequence[str]) -> str:
    """Return the names as a message lists them: the first ones, and the total number if there are more."""
    rest = f", ... ({len(names):,} in all)" if len(names) > _MOST_TOLD else ""
    return ", ".join(names[:_MOST_TOLD]) + rest


def not_bound(missing: Sequence[str], there: Mapping[str, str], what: str) -> InvalidSamples:
    """Return the error for inputs without a column or feature of their name; `there` has the existing ones with their types."""
    listed = told([f"{name} {kind}".strip() for name, kind in there.items()]) or "none"
    return InvalidSamples(
        f"no {what} for the model's inputs {list(missing)}; there: {listed}",
        f'say which it is: [reader] inputs = {{ {missing[0]} = "NAME OF A {what.upper()}" }}',
    )


def label_of(value: Any, classes: Sequence[str] | None, origin: str) -> Any:
    """Return a label as a number: a text becomes its place in the declared `classes`."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return value
    if classes is None:
        try:
            return int(text)
        except ValueError:
            raise InvalidSamples(
                f"{origin}: label {text!r} is text; expected its class's index",
                f'declare the order that the model has them in: [reader] classes = ["{text}", ...]',
            ) from None
    if text not in classes:
        raise InvalidSamples(f"{origin}: label {text!r}: not among `classes`; {suggestion(text, classes)}")
    return list(classes).index(text)

"""The counts of how the toolkit is built, held against code that breaks them, and the limits that the toolkit keeps."""

from __future__ import annotations

import ast

import pytest

from tests import counts

pytestmark = pytest.mark.once


def test_a_circle_is_seen_and_its_rooms_share_a_level():
    """`b` and `c` import one another; `a` stands above both, and `d` below."""
    graph = counts.arrows({"a.x": {"b"}, "b": {"c.y", "d"}, "c.y": {"b.z"}, "d": set(), "": {"a"}})

    assert graph == {"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": set()}
    assert counts.circles(graph) == [["b", "c"]]
    assert counts.levels(graph) == 3


def test_rooms_in_a_row_are_levels():
    """An import of a room's own modules is none."""
    graph = counts.arrows({"a.x": {"a.y", "b"}, "a.y": set(), "b": {"c"}, "c": set()})

    assert counts.circles(graph) == []
    assert counts.levels(graph) == 3


@pytest.mark.parametrize(("lines", "found"), [(58, []), (59, ["x.py: long 61"])])
def test_a_function_is_counted_from_def_to_its_last_line(lines, found):
    text = "@decorated\nasync def long():\n" + "    pass\n" * lines + "    return 1\n"

    assert counts.long_functions({"x.py": ast.parse(text)}) == found


def test_what_is_public_needs_a_docstring():
    """What a function or a private class holds is its own."""
    text = (
        '"""Said."""\nclass A:\n    def b(self): ...\n    def _c(self): ...\nclass _D:\n    def e(self): ...\n'
        'def f():\n    """Said."""\n    def g(): ...\n'
    )

    said = counts.docstrings({"x.py": ast.parse(text)})

    assert said == {"x.py": True, "x.py: A": False, "x.py: A: b": False, "x.py: f": True}


def test_annotations_are_counted_where_they_are_written():
    text = "def f(request: Any, other: dict[str, Any]) -> Any: ...\n"

    assert counts.annotations({"x.py": ast.parse(text)}) == (1, 3, 1)


def test_the_toolkit_keeps_its_limits():
    """Those that it has reached; the others are printed by `python tests/counts.py`."""
    kept = ("upward imports", "functions over 60 lines", "public docstrings, % (limit is the least)")

    found = {count.what: count for count in counts.counts()}

    assert {name: found[name].value for name in kept} == {name: found[name].limit for name in kept}, found
    most = ("rooms at the top", "levels of imports", "circles", "files over 300 lines")
    assert not [str(found[name]) for name in most if not found[name].value <= (found[name].limit or 0)]

"""An index outside of its table: whatever an engine says of it, the sample is named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from toolkit.engines import table_index
from toolkit.errors import InvalidSamples

SAID = [
    ("{{function_node f}} indices[0,3] = 55 is not in [0, 50)\n\t [[{{node GatherV2}}]]", "55", "50 rows (0 to 49)"),
    ("indices[2] = -1 is not in [0, 7) [Op:GatherV2]", "-1", "7 rows (0 to 6)"),
    ("indices[0] = [4, 9] does not index into param shape [4,5], node name: GatherNd", "[4, 9]", "shape [4,5]"),
    ("Embedding Lookup: index out of bounds. Got 50, and bounds are [0, 49]\nNode number 0", "50", "50 rows"),
    ("Gather node. indices element out of data bounds, idx=55 must be within the inclusive range [-50,49]", "55", "50 rows"),
]  # fmt: skip


@pytest.fixture
def samples(tmp_path):
    """Return a folder whose set calls its samples otherwise than by their order."""
    (tmp_path / "origins.json").write_text(json.dumps(["set.npz, row 4", "set.npz, row 0", "set.npz, row 2"]))
    return tmp_path


@pytest.mark.parametrize(("said", "index", "size"), SAID)
def test_each_engines_words_become_the_sample(samples, said, index, size):
    """With the index and how many rows the table has, and what the user's set calls the sample."""
    with pytest.raises(InvalidSamples) as caught, table_index.naming(samples, 1, "calibration"):
        raise RuntimeError(said)

    assert caught.value.problem.startswith("calibration: set.npz, row 0 holds an index outside of its table: ")
    assert index in caught.value.problem
    assert size in caught.value.problem
    assert caught.value.exit_status == 2


def test_what_an_engine_does_not_tell_is_left_out(samples):
    """An older interpreter says that there is one, and no more."""
    with pytest.raises(InvalidSamples, match=r"row 2 holds an index outside of its table\n"):  # noqa: SIM117
        with table_index.naming(samples, 2, "evaluation"):
            raise RuntimeError("gather index out of boundsNode number 7 (GATHER) failed to invoke.")


def test_the_words_may_be_of_a_cause(samples):
    """A converter wraps what its interpreter raised."""
    error = RuntimeError("calibration failed")
    error.__cause__ = ValueError("indices[0] = 55 is not in [0, 50)")

    with (
        pytest.raises(InvalidSamples, match="55, where the table has 50 rows"),
        table_index.naming(samples, 0, "calibration"),
    ):
        raise error


@pytest.mark.parametrize("error", [IndexError("list index out of range"), RuntimeError("no kernel"), KeyError("x")])
def test_other_errors_are_left_as_they_are(samples, error):
    """A sample is not blamed for what it did not do."""
    with pytest.raises(type(error)) as caught, table_index.naming(samples, 0, "calibration"):
        raise error

    assert caught.value is error
    assert caught.value.__cause__ is None


def test_of_many_samples_in_one_call_the_one_at_fault_is_named(samples):
    """TensorFlow takes a batch, and counts within it."""

    def each():
        yield "first"
        yield "second"
        raise RuntimeError("indices[0,0] = 9 is not in [0, 9)")

    with pytest.raises(InvalidSamples, match="row 2 holds an index outside of its table: 9"):  # noqa: SIM117
        with table_index.naming(samples, range(3), "evaluation", each):
            raise RuntimeError("indices[2,0] = 9 is not in [0, 9)")


def test_a_set_without_origins_is_counted(tmp_path):
    """Folders that were written elsewhere have no names for their samples."""
    with pytest.raises(InvalidSamples, match=r"^evaluation: sample 5 holds"):  # noqa: SIM117
        with table_index.naming(tmp_path, 5, "evaluation"):
            raise RuntimeError("gather index out of bounds")


class Interpreter:
    """What is left in an interpreter whose GATHER failed."""

    def __init__(self, table, indices, output, held, name="GATHER"):
        self._shapes = {0: table, 1: indices, 2: output}
        self._held = held
        self._name = name

    def _get_op_details(self, node):
        order = [1, 0] if self._name == "EMBEDDING_LOOKUP" else [0, 1]
        return {"op_name": self._name, "inputs": order, "outputs": [2], "index": node}

    def get_tensor_details(self):
        """Return the shapes."""
        return [{"index": index, "shape": shape} for index, shape in self._shapes.items()]

    def get_tensor(self, index):
        """Return the indices."""
        assert index == 1
        return np.array(self._held, np.int32)


@pytest.mark.parametrize(
    ("interpreter", "says"),
    [
        (Interpreter([50, 4], [1, 2], [1, 2, 4], [[3, 55]]), "indices = 55 is not in [0, 50)"),
        (Interpreter([4, 50], [2], [4, 2], [49, -1]), "indices = -1 is not in [0, 50)"),
        (Interpreter([5, 7], [1, 2], [1], [[5, 1]], "GATHER_ND"), "indices = 5 is not in [0, 5)"),
        (Interpreter([9, 3], [2], [2, 3], [9, 0], "EMBEDDING_LOOKUP"), "indices = 9 is not in [0, 9)"),
    ],
)
def test_an_interpreter_that_tells_nothing_is_read(interpreter, says):
    """LiteRT says that an index is wrong and not which; it is still there."""
    name = interpreter._name
    with pytest.raises(table_index.OutsideTableError) as caught, table_index.read_in(interpreter):
        raise RuntimeError(f"gather index out of boundsNode number 3 ({name}) failed to invoke.")

    assert str(caught.value) == says


@pytest.mark.parametrize("interpreter", [object(), Interpreter([50, 4], [1, 2], [1, 2, 4], [[3, 4]])])
def test_an_interpreter_that_shows_nothing_is_quoted(interpreter):
    """Its own words are better than none."""
    with pytest.raises(RuntimeError, match=r"^gather index out of bounds"), table_index.read_in(interpreter):
        raise RuntimeError("gather index out of boundsNode number 3 (GATHER) failed to invoke.")

"""What LiteRT's GPU delegate (ai-edge-litert 2.3.0) prints, read; tests/integration/launchers/test_gpu_on_lavapipe.py runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.engines.tflite.gpu_delegate import _call, _delegated, _require_valid
from toolkit.errors import WorkerRefused

OPERATORS = [("CONV_2D", 900), ("CAST", 8), ("ADD", 8), ("RESHAPE", 8), ("FULLY_CONNECTED", 50), ("SOFTMAX", 2)]
SAID = """\
I0000 00:00:1796123193.403733   26087 delegate_webgpu.cc:751] # of threads to upload weights = 0
ERROR: Following operations are not supported by GPU delegate:
ADD: Can't parse inputs with const tensors.
CAST: Tensor type(INT64) is not supported. Cast
{} operations will run on the GPU, and the remaining {} operations will run on the CPU.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU."""
LEFT = ["ADD: Can't parse inputs with const tensors.", "CAST: Tensor type(INT64) is not supported. Cast"]


def said(taken: int, remaining: int) -> list[str]:
    return SAID.format(taken, remaining).splitlines()


@pytest.mark.parametrize(
    ("taken", "operations"),
    [(3, (60, 976)), (1, (900, 976)), (2, None)],
)
def test_the_share_and_the_reasons_are_read(taken, operations):
    """The multiplications are those of the one run of operators that is so long; where none is, they are not known."""
    found = _delegated(said(taken, 6 - taken), OPERATORS)

    assert found == {"operators": (taken, 6), "multiply_accumulates": operations, "left": LEFT}


def test_two_runs_of_one_length_are_not_told_apart():
    """The engine says how many operators it took, and not which."""
    operators = [("CONV_2D", 900), ("CAST", 8), ("ADD", 8), ("SOFTMAX", 2)]

    assert _delegated(said(1, 3), operators)["multiply_accumulates"] is None


def test_where_it_says_nothing_it_took_nothing():
    assert _delegated(["INFO: something else"], OPERATORS)["operators"] == (0, 6)


@pytest.mark.parametrize("lines", [said(3, 4), [*said(3, 3), *said(3, 3)]])
def test_numbers_that_are_not_of_this_graph_are_refused(lines):
    with pytest.raises(WorkerRefused, match="of 6 operators; expected one number"):
        _delegated(lines, OPERATORS)


@pytest.mark.parametrize("kind", ["Validation", "Out of memory", "Internal"])
def test_an_error_of_webgpu_is_an_error(kind):
    """The engine prints it and goes on."""
    line = f"E0000 00:00:1796124410.504385    1256 environment.cc:105] {kind} error: Error while parsing WGSL: :22:27"

    with pytest.raises(WorkerRefused, match=f"{kind} error: Error while parsing WGSL"):
        _require_valid(["INFO: fine", line])
    with pytest.raises(WorkerRefused, match="would have run it: TopK requires something"):
        _require_valid(["E0000 00:00:1796123170.687979   25685 gpu_model_builder.cc:4114] TopK requires something"])
    _require_valid(["E0000 00:00:1796123173.963563   25685 model_builder.cc:2666] {", "INFO: all is well"])


class _Buffer:
    """Memory that keeps what was written last; one that a call left locked cannot be used any more."""

    locked = False

    def write(self, array):
        if self.locked:
            raise RuntimeError("Tensor buffer is already locked.")
        self.content = array.copy()

    def read(self, count, dtype):
        return self.content.reshape(-1)[:count].astype(dtype)


class _Compiled:
    """A compiled model that gives up waiting so many times, as the engine does while shaders are compiled."""

    def __init__(self, late: int, *, raises: str = "", says: bool = True) -> None:
        self.late, self.raises, self.says, self.calls = late, raises, says, 0

    def get_signature_list(self):
        return {"serving_default": {}}

    def create_input_buffer_by_name(self, *_):
        return SimpleNamespace(write=lambda array: None)

    def create_output_buffer_by_name(self, *_):
        return _Buffer()

    def fail(self, taken):
        for buffer in taken.values():
            buffer.locked = "lock" in self.raises
        raise RuntimeError(self.raises)

    def run_by_name(self, _, _given, taken):
        self.calls += 1
        for buffer in taken.values():
            buffer.write(np.full(2, self.calls, np.int8))
        if self.calls <= self.late:
            if self.says:
                sys.stdout.write(
                    "E0000 1 delegate_webgpu.cc:546] DEADLINE_EXCEEDED: ERROR: [delegate_kernel_litert.cc:613]\n"
                )
            if self.raises:
                self.fail(taken)


class _Log:
    """What was printed since the last time."""

    def __init__(self, capsys):
        self.capsys = capsys

    def new_lines(self):
        return self.capsys.readouterr().out.splitlines()


DETAILS = {"dtype": np.int8, "shape": np.array([1, 2])}


@pytest.mark.parametrize(
    ("raises", "says"),
    [
        ("", True),
        ("Failed to invoke the compiled model", True),
        ("ERROR: [litert/runtime/tensor_buffer.cc:1133]\n└ Failed to lock custom tensor buffer.", False),
    ],
)
def test_what_comes_before_the_shaders_are_there_is_no_result(capsys, raises, says):
    """The engine returns what is in the buffer, with or without an error, which it may not print; the call is made again."""
    compiled = _Compiled(3, raises=raises, says=says)
    call = _call(compiled, None, {"x": DETAILS}, {"y": DETAILS}, _Log(capsys))

    assert call({"x": np.zeros((1, 2), np.int8)})["y"].tolist() == [[4, 4]]


def test_another_failure_is_raised_at_once(capsys):
    """It is none of waiting."""
    compiled = _Compiled(3, raises="out of memory", says=False)

    with pytest.raises(RuntimeError, match="out of memory"):
        _call(compiled, None, {"x": DETAILS}, {"y": DETAILS}, _Log(capsys))({"x": np.zeros((1, 2), np.int8)})
    assert compiled.calls == 1


def test_it_is_not_waited_for_ever(capsys):
    call = _call(_Compiled(10**9), None, {"x": DETAILS}, {"y": DETAILS}, _Log(capsys))

    with pytest.raises(WorkerRefused, match="did not wait for its shaders"):
        call({"x": np.zeros((1, 2), np.int8)})


class _Silent(_Compiled):
    """A compiled model that computes once, `value`, and from then on writes nothing and says that all is well."""

    def __init__(self, value, *, once: bool) -> None:
        super().__init__(0)
        self.value, self.once = value, once

    def run_by_name(self, _, _given, taken):
        self.calls += 1
        if self.calls == 1 or not self.once:
            for buffer in taken.values():
                buffer.write(self.value)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8, np.int64, np.bool_])
def test_a_call_that_computes_nothing_never_repeats_the_sample_before(capsys, dtype):
    """The engine's output buffers outlive a call."""
    compiled = _Silent(np.array([[0, 1]], dtype), once=True)
    call = _call(compiled, None, {"x": DETAILS}, {"y": {**DETAILS, "dtype": dtype}}, _Log(capsys))
    sample = {"x": np.zeros((1, 2), np.int8)}

    assert call(sample)["y"].tolist() == [[0, 1]]
    with pytest.raises(WorkerRefused, match="computed nothing for 'y', and said that all is well"):
        call(sample)


@pytest.mark.parametrize(
    ("dtype", "answer"),
    [
        (np.float32, [[np.nan, np.nan]]),
        (np.float32, [[0.0, 0.0]]),
        (np.int8, [[127, 127]]),
        (np.int8, [[-128, -128]]),
        (np.bool_, [[False, False]]),
        (np.bool_, [[True, True]]),
    ],
)
def test_an_answer_that_looks_like_an_empty_buffer_is_an_answer(capsys, dtype, answer):
    """It is the same however the buffer was filled."""
    compiled = _Silent(np.array(answer, dtype), once=False)
    call = _call(compiled, None, {"x": DETAILS}, {"y": {**DETAILS, "dtype": dtype}}, _Log(capsys))

    found = [call({"x": np.zeros((1, 2), np.int8)})["y"] for _ in range(2)]

    np.testing.assert_array_equal(found, [answer, answer])


READS = """
import os, sys
from toolkit.engines.engine_log import EngineLog
os.write(2, b"before\\n")
log = EngineLog()
os.write(2, b"one\\ntwo \\xff\\n")
first = log.new_lines()
os.write(2, b"three\\nE0 environment.cc:1] Valid")
cut = log.new_lines()
os.write(2, b"ation error: x\\n")
sys.stdout.write(repr([first, cut, log.new_lines(), log.new_lines()]))
"""


@pytest.mark.parametrize("into", ["file", "pipe"])
def test_what_an_engine_prints_is_read_once(tmp_path, into):
    """A job's log is a file, which keeps what is printed; a terminal or a pipe is replaced. A line that was cut is read again, whole."""
    with open(tmp_path / "log", "ab") as log:
        ended = subprocess.run(
            [sys.executable, "-c", READS],
            stdout=subprocess.PIPE,
            stderr=log if into == "file" else subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    cut, whole = "E0 environment.cc:1] Valid", "E0 environment.cc:1] Validation error: x"
    assert ended.stdout.decode() == repr([["one", "two \ufffd"], ["three", cut], [whole], []])
    if into == "file":
        assert (tmp_path / "log").read_bytes() == b"before\none\ntwo \xff\nthree\n" + whole.encode() + b"\n"

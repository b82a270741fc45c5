"""What is seen from an artifact's bytes: reason codes, places, remedies, and nothing where nothing is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from toolkit import profiles
from toolkit.conversion.artifacts import Artifact
from toolkit.pipeline import capability_gate
from toolkit.report import error_json
from toolkit.tensors.signature import FileSignature
from toolkit.verdict.refusals import DoesNotFit, Unsupported, findings_of

SIGNATURE = {"key": None, "inputs": [], "outputs": [], "order": {"inputs": [], "outputs": []}}


def use(name, version=1, takes=("float32",), gives=("float32",), **more):
    held = {"graph": 0, "index": 3, "count": 1, **more}
    return {"name": name, "version": version, "takes": [*takes], "gives": [*gives], **held}


def artifact(*uses, size_bytes=1000, arena_bytes=None):
    return Artifact(
        Path("m.tflite"),
        "dynamic_wi8_afp32",
        size_bytes,
        "0" * 64,
        FileSignature.from_json(SIGNATURE),
        (),
        (),
        uses=uses,
        arena_bytes=arena_bytes,
    )


@pytest.fixture(scope="module")
def board():
    """Return the target of tflite-runtime 2.14."""
    return profiles.find("linux-x86_64-tflite-runtime")


DENSE = use("FULLY_CONNECTED", 12, ("float32", "int8 per-channel", "none"))


@pytest.mark.parametrize(
    ("asked", "code", "said", "fix"),
    [
        (DENSE, "operator-version", "has no operator FULLY_CONNECTED version 12; it has 1 to 10 (operator 3)", "choose another --scheme ("),
        (use("DILATE", index=0), "operator-missing", "has no operator DILATE (operator 0)", "replace that operator"),
        (use("ABS", takes=("bool",), gives=("bool",)), "operator-dtype", "no kernel of ABS for bool -> bool: Type BOOL", "choose another --scheme ("),
        (use("CUSTOM FlexErf"), "flex-operator", "has no TensorFlow kernels (Flex) for Erf", "--outputs"),
        (use("DILATE", graph=2, count=3), "operator-missing", "(operator 3 of graph 2, and 2 more)", "replace that operator"),
    ],
)  # fmt: skip
def test_an_operator_that_the_runtime_lacks_is_refused(board, asked, code, said, fix):
    """With a reason code, its place in the file, and what can be done."""
    error = capability_gate.refusal(artifact(use("ADD", takes=("float32", "float32")), asked), board)

    assert isinstance(error, Unsupported)
    assert error.exit_status == 2
    (found,) = error.findings
    assert (found.code, found.severity) == (code, "error")
    assert said in found.message
    assert fix in found.fix
    assert "dynamic_wi8_afp32" not in found.fix
    assert f"{board.name}: " in error.problem
    assert f"[{code}]" in error.problem
    assert error_json(error)["findings"][0]["index"] == asked["index"]


def test_what_a_table_does_not_know_is_not_refused(board):
    """A use that was not probed, a version that is newer than all that were, an operator of the user's own."""
    unknown = (use("ADD", takes=("complex64", "int4")), use("ADD", 99), use("CUSTOM Theirs"), use("NEWER_THAN_ALL"))

    assert capability_gate.refusal(artifact(*unknown), board) is None
    (found,) = capability_gate.findings(unknown, "float32", board)
    assert (found.code, found.severity, found.names) == ("operators-not-known", "info", ("ADD", "CUSTOM Theirs", "NEWER_THAN_ALL"))  # fmt: skip
    (told,) = capability_gate.not_known(artifact(*unknown), board)
    assert told.names == ("CUSTOM Theirs", "NEWER_THAN_ALL")


def test_a_release_that_was_not_probed_is_said(board):
    """The run decides, as before there were tables."""
    runtime = board.runtime.model_copy(update={"version": "2.13.0"})
    other = board.model_copy(update={"runtime": runtime})

    assert capability_gate.refusal(artifact(DENSE), other) is None
    (found,) = capability_gate.not_known(artifact(DENSE), other)
    assert (found.code, found.severity) == ("capabilities-not-known", "info")
    assert found.fix == "edge-toolkit targets probe tflite_runtime==2.13.0"


@pytest.mark.parametrize(("limit", "refused"), [(999, True), (1000, False), (None, False)])
def test_a_file_over_its_budget_is_refused(board, limit, refused):
    small = board.model_copy(update={"budget": profiles.Budget(file_bytes=limit)})

    error = capability_gate.refusal(artifact(), small)

    assert isinstance(error, DoesNotFit) is refused
    if refused:
        assert error.exit_status == 1
        assert [(each.code, dict(each.facts)) for each in findings_of(error)] == [("file-over-budget", {"spent": 1000, "limit": 999})]  # fmt: skip


def test_a_float_model_tells_what_no_scheme_will_change(board):
    """An operator that is not there in any version; a version and a dtype are another scheme's to change."""
    lost, other = use("DILATE"), dataclasses.replace(artifact(DENSE)).uses

    assert isinstance(capability_gate.refusal_of_floats([lost], board), Unsupported)
    assert capability_gate.refusal_of_floats(other, board) is None


def test_many_uses_are_told_in_few_lines(board):
    error = capability_gate.refusal(artifact(*(use("DILATE", takes=(str(number),)) for number in range(9))), board)

    assert len(error.findings) == 9
    assert len(error.problem.splitlines()) == 6
    assert "and 4 more uses" in error.problem


@pytest.mark.parametrize(
    ("shape", "refused"), [([1, None], True), (None, True), ([None, None], True), ([None, 4], False), ([1, 4], False)]
)
def test_open_sizes_are_refused_where_the_runtime_takes_fixed_ones(board, shape, refused):
    """Such a runtime allocates once. A batch is fixed by a rewrite, and a single number has no size that could be open."""
    shapes = {"x": shape, "y": [1], "number": []}
    inputs = [{"name": name, "dtype": "float32", "shape": shape} for name, shape in shapes.items()]
    signature = FileSignature.from_json({**SIGNATURE, "inputs": inputs})
    held = dataclasses.replace(artifact(), signature=signature)
    static = board.model_copy(update={"runtime": board.runtime.model_copy(update={"static_shapes": True})})

    error = capability_gate.refusal(held, static)

    assert (error is not None) is refused
    if not refused:
        return
    (found,) = error.findings
    assert (found.code, found.names) == ("dynamic-shape", ("x",))
    assert "--shape x=" in found.fix
    assert capability_gate.refusal(held, board) is None


@pytest.mark.parametrize(("arena", "codes"), [(501, ["memory-over-budget"]), (500, []), (None, [])])
def test_tensors_over_their_budget_are_refused(board, arena, codes):
    """By an estimate, which is said; where there is none, the verdict stays open."""
    small = board.model_copy(update={"budget": profiles.Budget(arena_bytes=500)})
    held = artifact(arena_bytes=arena)

    error = capability_gate.refusal(held, small)

    assert [each.code for each in (findings_of(error) if error else ())] == codes
    assert all("(estimated) 501 bytes" in each.message for each in (findings_of(error) if error else ()))
    open_ = [each for each in capability_gate.not_known(held, small) if each.code == "memory-not-known"]
    assert [each.severity for each in open_] == (["inconclusive"] if arena is None else [])


@pytest.fixture(scope="module")
def micro():
    """Return the target of a microcontroller with float kernels, and of one that computes in integers only."""
    return profiles.find("arduino-nano-33-ble"), profiles.find("rp2040")


@pytest.mark.parametrize("step", [2.0**-26, 7.8e-9, 0.0, float("nan")])
def test_a_softmax_that_its_kernel_aborts_on_is_refused(micro, step):
    """Just above it runs; NaN is no number that it could hold."""
    made = dataclasses.replace(artifact(use("SOFTMAX", takes=("int8",), gives=("int8",))), softmax_step=step)

    error = capability_gate.refusal(made, micro[0])

    assert isinstance(error, Unsupported)
    assert [found.code for found in error.findings] == ["softmax-scale"]
    assert "aborts on a SOFTMAX" in error.problem
    assert capability_gate.refusal(dataclasses.replace(made, softmax_step=1.6e-8), micro[0]) is None


def test_floats_are_refused_where_integers_only_are_computed(micro):
    """By the names of the operators; a board with float kernels takes the same file."""
    made = artifact(use("CONV_2D", takes=("float32", "float32", "float32")), use("SOFTMAX"))

    error = capability_gate.refusal(made, micro[1])

    assert [(found.code, found.names) for found in error.findings] == [("not-integer", ("CONV_2D", "SOFTMAX"))]
    assert "--scheme static_wi8_ai8" in error.hint
    assert capability_gate.refusal(made, micro[0]) is None


def test_hybrid_kernels_and_strings_are_refused_by_a_microcontroller(micro):
    """With codes and remedies of their own."""
    hybrid = use("FULLY_CONNECTED", takes=("float32", "int8 per-channel", "none"))

    error = capability_gate.refusal(
        artifact(hybrid, use("GATHER", takes=("string", "int32"), gives=("string",))), micro[0]
    )

    assert {found.code for found in error.findings} >= {"hybrid-operator", "dtype-missing"}
    assert "no hybrid kernel of FULLY_CONNECTED, which takes floats and int8 per-channel weights" in error.problem
    assert "--scheme static_wi8_ai8 with a calibration set" in error.hint


def test_an_operator_that_a_microcontroller_lacks_is_named(micro):
    error = capability_gate.refusal(artifact(use("GELU")), micro[0])

    assert [(found.code, found.names) for found in error.findings] == [("operator-missing", ("GELU",))]


def test_a_file_over_the_flash_is_refused(micro):
    """Exit status 1: it is a budget."""
    target = micro[0].model_copy(update={"budget": profiles.Budget(flash_bytes=999)})

    error = capability_gate.refusal(
        artifact(use("ADD", takes=("int8", "int8"), gives=("int8",)), size_bytes=1000), target
    )

    assert isinstance(error, DoesNotFit)
    assert [found.code for found in error.findings] == ["flash-over-budget"]

"""Keras files of three generations, whole models and weights: read by the Keras that they are of, proven whole, or refused with the way out."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import HERE, SHARED, flip_a_bit, outputs_of
from tests.rows import quick, slow
from toolkit import Original, Samples
from toolkit.errors import InvalidSource, UnknownName

NET = str(HERE / "builders" / "keras_net.py")
PARTS = str(HERE / "builders" / "keras_parts.py")
NEAR = 1e-5  # of outputs of about 1, in float32: LiteRT's kernels against TensorFlow's
HALF = 2e-3  # two units in the last place of float16 at 1, in which that original computes


@pytest.fixture(scope="session")
def files(made):
    """Return the folder of make_keras.py."""
    return made("make_keras.py")


@pytest.fixture
def converted(executor, tmp_path):
    """Return a function that converts a file to float32, runs the artifact, and returns its outputs and those that were saved with the file."""

    def run(file, **given):
        with np.load(file.with_name(file.name.partition(".")[0] + ".npz")) as held:
            known = {name.partition(":")[2]: array for name, array in held.items() if name.startswith("out:")}
            np.savez(tmp_path / "fed.npz", **{name[3:]: held[name] for name in held.files if name.startswith("in:")})
        artifact = tmp_path / "model.tflite"
        toolkit.convert(
            Original(file, **given), "float32", Samples(str(tmp_path / "fed.npz")), artifact, executor=executor
        )
        ran = toolkit.run(artifact, "host", str(tmp_path / "fed.npz"), tmp_path / "outputs.npz", executor=executor)
        return {name: array[:, 0] for name, array in outputs_of(ran).items()}, known

    return run


def renamed(file, place, layer, name):
    """Copy an archive of Keras in which the layers of one class say that they are of another, which nobody has."""

    def in_place(part):
        if isinstance(part, dict):
            own = (
                {"class_name": name, "module": None, "registered_name": name} if part.get("class_name") == layer else {}
            )
            return {key: in_place(value) for key, value in (part | own).items()}
        return [in_place(one) for one in part] if isinstance(part, list) else part

    with zipfile.ZipFile(file) as old, zipfile.ZipFile(place, "w") as new:
        for entry in old.namelist():
            content = old.read(entry)
            if entry == "config.json":
                content = json.dumps(in_place(json.loads(content))).encode()
            new.writestr(entry, content)
    return place


def largest(found, known):
    """Return the largest difference of any output; the names must be the same."""
    assert sorted(found) == sorted(known)
    return max(float(np.abs(found[name] - known[name]).max()) for name in known)


CASES = ("several", "mapping", "nested", "recurrent", "attention", "convolution")
ONE_WAY, OTHER_WAY = (("keras", ".keras"), ("tf_keras", ".h5")), (("keras", ".h5"), ("tf_keras", ".keras"))
# Of case, package and suffix, every two meet; one row of each case at once.
PAIRS = [(case, *kind) for number, case in enumerate(CASES) for kind in (ONE_WAY, OTHER_WAY)[number % 2]]
AT_ONCE = [row for number, row in enumerate(PAIRS) if number % 4 in {0, 3}]


@pytest.mark.parametrize(("case", "package", "suffix"), quick(PAIRS, AT_ONCE))
def test_a_whole_model_gives_what_it_gave_when_it_was_saved(files, converted, case, package, suffix):
    """By name, through the file, the canonical form, the converter and LiteRT; no two inputs or outputs may change places."""
    found, known = converted(files / f"{case}-{package}{suffix}")

    assert largest(found, known) < NEAR


@pytest.mark.parametrize(
    ("file", "writer", "loader"),
    [
        ("several-keras.keras", "keras 3", "keras 3"),
        ("several-keras.h5", "keras 3", "keras 3"),
        ("several-tf_keras.keras", "tf-keras 2", "tf-keras 2"),
        ("several-tf_keras.h5", "tf-keras 2", "tf-keras 2"),
    ],
)
def test_inspect_tells_what_the_file_tells(files, executor, file, writer, loader):
    """Who wrote it, who will read it, what it takes and gives, its variables, and the optimizer's state that no build uses."""
    found = toolkit.inspect(files / file, executor=executor)

    assert (found["kind"], found["settled"], found["needs"]) == ("keras_file", False, [])
    assert found["writer"].startswith(writer)
    assert found["loader"].startswith(loader)
    (signature,) = found["signatures"]
    assert [(spec["name"], spec["dtype"], spec["shape"]) for spec in signature["inputs"]] == [
        ("alpha", "float32", [None, 6]),
        ("zulu", "float32", [None, 6]),
    ]
    assert [spec["name"] for spec in signature["outputs"]] == ["first", "second"]
    assert sorted(one["size_bytes"] for one in found["variables"]) == [16, 16, 32, 96, 128, 384]
    assert "training-state" in [finding["code"] for finding in found["findings"]]


def test_what_a_shell_and_a_home_say_of_keras_changes_nothing(files, edge, fresh_home, tmp_path):
    """Another backend, the Keras of another time, double precision: for other programs, and once set for good by somebody who forgot it."""
    (tmp_path / "me" / ".keras").mkdir(parents=True)
    said = {"floatx": "float64", "backend": "torch", "image_data_format": "channels_first", "epsilon": 1e-2}
    (tmp_path / "me" / ".keras" / "keras.json").write_text(json.dumps(said))
    stray = {
        "HOME": str(tmp_path / "me"),
        "KERAS_BACKEND": "torch",
        "TF_USE_LEGACY_KERAS": "1",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    }

    for variables in ({}, stray):
        out = tmp_path / f"{len(variables)}.tflite"
        ended = edge("convert", files / "convolution-keras.keras", "--out", out, home=fresh_home, variables=variables)
        assert ended.status == 0, ended.err
        shutil.rmtree(fresh_home / "store")

    assert (tmp_path / "0.tflite").read_bytes() == (tmp_path / "4.tflite").read_bytes()


@pytest.mark.parametrize("file", ["half-keras.keras", "half-tf_keras.h5"])
def test_mixed_precision_becomes_float32(files, converted, file):
    """No device's kernels compute in float16 as Keras does; the reference stays what was saved."""
    found, known = converted(files / file)

    assert largest(found, known) < HALF


@pytest.mark.parametrize("file", ["double-keras.keras", "double-tf_keras.h5"])
def test_double_precision_becomes_float32(files, converted, file):
    """Inputs and outputs too: no device takes float64."""
    found, known = converted(files / file)

    assert largest(found, known) < NEAR
    assert found["scores"].dtype == np.float32


@pytest.mark.parametrize(
    ("wrapper", "says"),
    [
        ("QuantizeWrapperV2", ["--builder tfmot_model.py:model", "with tfmot.quantization.keras.quantize_scope():"]),
        (
            "PruneLowMagnitude",
            ["with tfmot.sparsity.keras.prune_scope():", "tfmot.sparsity.keras.strip_pruning(model)"],
        ),
        ("ClusterWeights", ["with tfmot.clustering.keras.cluster_scope():", "strip_clustering(model)"]),
    ],
)
def test_a_file_of_model_optimization_gets_what_reads_it_ready_to_paste(files, executor, tmp_path, wrapper, says):
    """From `inspect`, and from the error of whoever did not ask it."""
    file = renamed(files / "nested-tf_keras.keras", tmp_path / "aware.keras", "Dense", wrapper)

    with pytest.raises(InvalidSource, match="cannot be read") as caught:
        toolkit.convert(Original(file), "float32", Samples(), tmp_path / "model.tflite", executor=executor)

    (needed,) = toolkit.inspect(file, executor=executor)["needs"]
    for text in (*says, f'tf_keras.models.load_model("{file}", compile=False)'):
        assert text in needed
        assert text in str(caught.value)


def test_a_recurrence_that_stays_a_loop_is_told(files, executor):
    """Before a build finds no range inside of it; unrolled, it takes the same weights."""
    found = toolkit.inspect(files / "recurrent-keras.keras", executor=executor)["findings"]

    (said,) = (one["message"] for one in found if one["code"] == "rolled-recurrence")
    assert "(GRU)" in said
    assert "unroll=True" in said


@pytest.mark.parametrize(
    "file",
    [
        "gain-keras.keras",
        slow("gain-keras.h5"),
        slow("gain-tf_keras.keras"),
        "gain-tf_keras.h5",
        "shift-keras.keras",
    ],
)
def test_classes_of_the_projects_own_come_from_a_builder(files, converted, executor, file):
    """Without it the error names them and says how; a registered class is there once its file is imported."""
    with pytest.raises(InvalidSource, match="cannot be read") as caught:
        converted(files / file)

    found, known = converted(files / file, builder=f"{PARTS}:classes")

    name = "Shift" if "shift" in file else "OldGain" if "tf_keras" in file else "Gain"
    assert f'"{name}": {name}' in str(caught.value)
    assert f'"{name}": {name}' in toolkit.inspect(files / file, executor=executor)["needs"][0]
    assert largest(found, known) < NEAR


def test_a_model_written_as_a_class_is_restored_whole(files, converted, executor):
    """Keras 3 makes it without variables, warns, and returns it: its outputs would be random."""
    original = Original(files / "pair-keras.keras", builder=f"{PARTS}:pair_inputs")

    found, known = converted(original.path, builder=original.builder)

    assert largest(found, known) < NEAR
    assert len(toolkit.inspect(original, executor=executor)["coverage"]["restored"]) == 4


def test_a_model_that_does_not_say_what_it_takes_needs_inputs(files, converted):
    """A class has no symbolic inputs; the builder has to tell them."""
    with pytest.raises(InvalidSource, match="what it takes is not known") as caught:
        converted(files / "pair-keras.weights.h5", builder=f"{PARTS}:pair_alone")

    found, known = converted(files / "pair-keras.weights.h5", builder=f"{PARTS}:pair")

    assert "(model, inputs)" in caught.value.hint
    assert largest(found, known) < NEAR


@pytest.mark.parametrize(
    "file", ["lambda-tf_keras.h5", "lambda-tf_keras.keras", "lambda-keras.keras", "lambda-keras.h5"]
)
def test_a_lambda_layer_is_never_run(files, converted, executor, file):
    """tf-keras runs what is in an .h5 file whatever it is told; with a builder the file is weights only."""
    told = toolkit.inspect(files / file, executor=executor)
    with pytest.raises(InvalidSource, match=r"Lambda layer lambda\w*: holds Python code") as caught:
        converted(files / file)

    assert "its weights" in caught.value.hint
    assert told["needs"] == [caught.value.hint]
    assert not (files / "the lambda ran").exists()


def test_a_lambda_layer_of_a_builder_is_the_builders(files, converted):
    """The weights of the file, the code of the project."""
    found, known = converted(files / "lambda-tf_keras.h5", builder=f"{PARTS}:with_lambda")

    assert largest(found, known) < NEAR
    assert not (files / "the lambda ran").exists()


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("net-keras.weights.h5", "keras"),
        ("net-keras.weights.h5", "tf_keras"),
        ("net-tf_keras.weights.h5", "keras"),
        slow("net-tf_keras.weights.h5", "tf_keras"),
        slow("net-tf_keras.only.h5", "keras"),
        ("net-tf_keras.only.h5", "tf_keras"),
        slow("net-keras.h5", "keras"),
        slow("net-keras.h5", "tf_keras"),
    ],
)
def test_weights_are_read_into_the_builders_model(files, converted, file, package):
    """By either Keras, also where the other one wrote them, and from a whole model too."""
    found, known = converted(files / file, builder=f"{NET}:build", builder_args={"package": package})

    assert largest(found, known) < NEAR


def test_coverage_names_what_was_restored_and_what_was_of_the_training(files, executor):
    """All of the model, and the optimizer's numbers as such."""
    original = Original(files / "net-tf_keras.weights.h5", builder=f"{NET}:build", builder_args={"package": "tf_keras"})

    coverage = toolkit.inspect(original, executor=executor)["coverage"]

    assert (len(coverage["restored"]), coverage["unrestored"]) == (11, [])
    assert {one["what"] for one in coverage["unused"]} == {"optimizer", "other"}


@pytest.mark.parametrize(
    ("builder", "arguments", "says"),
    [
        ("build", {"width": "9"}, r"layers/conv1d/vars/0: \(3, 4, 8\) in the file, \(3, 4, 9\) in the model"),
        ("deeper", {}, r"layers/dense_1/vars/0 \(5, 3\): only in the model"),
        ("without_normalization", {}, r"layers/batch_normalization/vars/0"),
        ("never_called", {}, "has not all of its variables yet|have not yet been created"),
        ("no_model", None, "gave Module; expected a Keras model, as its weights are of Keras"),
    ],
)
@pytest.mark.parametrize("package", ["keras", slow("tf_keras")])
def test_a_builder_of_another_model_is_refused(files, converted, package, builder, arguments, says):
    """A layer too few raises nothing in any Keras, and gives other outputs."""
    given = {} if arguments is None else {"package": package, **arguments}

    with pytest.raises(InvalidSource, match=says):
        converted(files / f"net-{package}.weights.h5", builder=f"{NET}:{builder}", builder_args=given)


@pytest.mark.parametrize(
    ("builder", "arguments", "says"),
    [
        (
            "build",
            {"width": "9"},
            r"conv1d/conv1d/kernel \(3, 4, 8\) in the file, conv1d\w*/kernel \(3, 4, 9\) in the model",
        ),
        ("without_normalization", {}, "only in the file"),
        ("deeper", {}, "only in the model"),
    ],
)
def test_old_weights_are_compared_in_their_order(files, converted, builder, arguments, says):
    """Which is how Keras 1 and 2 read them: names do not count."""
    with pytest.raises(InvalidSource, match=says):
        converted(
            files / "net-tf_keras.only.h5",
            builder=f"{NET}:{builder}",
            builder_args={"package": "tf_keras", **arguments},
        )


def test_what_the_model_has_no_place_for_can_be_allowed(files, executor):
    """And is told; a pattern that matches nothing is a mistake."""
    file, builder = files / "net-keras.weights.h5", f"{NET}:without_normalization"

    allowed = Original(file, builder=builder, allow_unrestored=("layers/batch_normalization/*",))
    coverage = toolkit.inspect(allowed, executor=executor)["coverage"]

    assert coverage["allowed"] == ["layers/batch_normalization/*"]
    assert [one["what"] for one in coverage["unused"]].count("model") == 4
    with pytest.raises(UnknownName, match="layers/batchnorm"):
        toolkit.inspect(Original(file, builder=builder, allow_unrestored=("layers/batchnorm/*",)), executor=executor)


@pytest.mark.parametrize("file", ["net-keras.weights.h5", "net-tf_keras.only.h5"])
def test_weights_alone_need_a_builder(files, converted, executor, file):
    """It is said by inspect, and by whatever needs the model."""
    found = toolkit.inspect(files / file, executor=executor)
    with pytest.raises(InvalidSource, match="holds weights and no model") as caught:
        converted(files / file)

    assert (found["kind"], found["needs"]) == ("keras_weights", [caught.value.hint])
    assert "--builder" in caught.value.hint
    assert len(found["variables"]) == 11


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("several-keras.keras", 0.0),
        *((file, part) for file in ("several-keras.keras", "several-keras.h5") for part in (0.001, 0.3, 0.9, 0.999)),
        *((file, part) for file in ("several-tf_keras.keras", "net-keras.weights.h5") for part in (0.3, 0.999)),
    ],
)
def test_a_file_that_was_cut_off_is_refused(files, executor, tmp_path, file, part):
    """A download that broke off, wherever it did."""
    cut = tmp_path / file
    content = (files / file).read_bytes()
    cut.write_bytes(content[: int(len(content) * part)])

    with pytest.raises(InvalidSource, match=r"is damaged|is empty|starts with") as caught:
        toolkit.convert(Original(cut), "float32", Samples(), tmp_path / "model.tflite", executor=executor)

    assert str(cut) in caught.value.problem


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_a_flipped_bit_in_an_archive_is_refused(files, executor, tmp_path, package):
    """In a weight, where nothing but the archive's checksum tells; tf-keras does not look at it."""
    damaged = tmp_path / "damaged.keras"
    shutil.copy(files / f"several-{package}.keras", damaged)
    numbers = (
        np.random.default_rng(11).uniform(-0.5, 0.8, (12, 8)).astype(np.float32)
    )  # the first that make_keras.settle draws
    place = damaged.read_bytes().index(numbers.tobytes())
    flip_a_bit(damaged, (place + 0.5) / damaged.stat().st_size)

    with pytest.raises(InvalidSource, match=r"is damaged: .*(checksum|CRC)"):
        toolkit.convert(Original(damaged), "float32", Samples(), tmp_path / "model.tflite", executor=executor)


@pytest.mark.parametrize(
    ("file", "called"),
    [
        ("several-keras.keras", "model.h5"),
        slow("several-keras.h5", "model.keras"),
        slow("several-tf_keras.h5", "model.hdf5"),
        ("several-tf_keras.keras", "model.bin"),
    ],
)
def test_what_a_file_is_says_its_content_and_not_its_name(files, converted, tmp_path, file, called):
    """Keras goes by the name, and says "file not found" of one that was renamed."""
    renamed = tmp_path / called
    shutil.copy(files / file, renamed)
    shutil.copy(files / f"{file.partition('.')[0]}.npz", tmp_path / "model.npz")

    found, known = converted(renamed)

    assert largest(found, known) < NEAR


def test_a_pointer_of_git_lfs_is_called_so(executor, tmp_path):
    """A repository that was cloned without its large files."""
    (tmp_path / "model.h5").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")

    with pytest.raises(InvalidSource, match="pointer of Git LFS"):
        toolkit.inspect(tmp_path / "model.h5", executor=executor)


REAL = [
    ("resnet8/pretrainedResnet.h5", "keras 2.4.0", "resnet8/test.npz", "x", "y", 110),
    ("streaming_wakeword/str_ww_ref_model.h5", "keras 2.14.0", "streaming_wakeword/calibration_samples.npz", "specs", "labels", 41),
    ("vww/vww_96.h5", "keras 2.4.0", "vww/inputs.npz", "x", None, None),
    ("face/fer2013_mini_XCEPTION.102-0.66.hdf5", "keras 2.0.5", "face/faces64.npz", "x", None, None),
    ("face/tiny_XCEPTION_KDEF.hdf5", "keras 2.0.5", "face/faces64.npz", "x", None, None),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no models of others in {SHARED}")
@pytest.mark.parametrize(("file", "writer", "samples", "fed", "labels", "right"), REAL)
def test_files_of_others_are_read_by_the_keras_they_are_of(
    executor, tmp_path, file, writer, samples, fed, labels, right
):
    """Their known accuracies are reached; those without labels give finite scores that sum to 1."""
    with np.load(SHARED / samples) as held:
        values, truth = held[fed].astype(np.float32), held[labels] if labels else None
    np.savez(tmp_path / "fed.npz", input_1=values)

    told = toolkit.inspect(SHARED / file, executor=executor)
    toolkit.convert(
        Original(SHARED / file),
        "float32",
        Samples(str(tmp_path / "fed.npz")),
        tmp_path / "model.tflite",
        executor=executor,
    )
    ran = toolkit.run(
        tmp_path / "model.tflite", "host", str(tmp_path / "fed.npz"), tmp_path / "outputs.npz", executor=executor
    )

    (scores,) = outputs_of(ran).values()
    assert (told["writer"], told["loader"].partition(" ")[0]) == (writer, "tf-keras")
    assert np.allclose(scores.sum(axis=-1), 1, atol=NEAR)
    assert truth is None or (scores[:, 0].argmax(axis=-1) == truth).sum() == right

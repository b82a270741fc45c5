"""Graphs of TensorFlow 1, with a checkpoint beside them or frozen: each held against what the session that saved it computed; and what is refused."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import HERE, SHARED, copied, flip_a_bit, outputs_of
from tests.rows import slow
from toolkit import Original, Samples
from toolkit.errors import InvalidSource, RequestError, UnknownName

SCRIPT = "make_graphs.py"
BUILDERS = HERE / "builders"
INFERENCE = {"bind": {"keep_prob": "1.0", "is_training": "false"}, "outputs": {"probabilities": "probabilities"}}
# float32 of other kernels and in another order: a few units in the last place of numbers around 1.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture
def case(made):
    """Return a function that gives a model's path, its samples, and what the session computed for these, by output."""

    def find(name):
        folder = made(SCRIPT)
        with np.load(folder / f"{name}.npz") as held:
            samples = {key: held[key] for key in held if not key.startswith("=")}
            expected = {key[1:]: held[key] for key in held if key.startswith("=")}
        return folder / name, samples, expected

    return find


@pytest.fixture
def ran(executor, arrays, tmp_path):
    """Return a function that converts a model to float32 and gives what the artifact computes, by output."""

    def run(original, samples):
        path = arrays(**samples)
        toolkit.convert(original, "float32", Samples(), tmp_path / "m.tflite", executor=executor)
        result = toolkit.run(tmp_path / "m.tflite", "host", str(path), tmp_path / "outputs.npz", executor=executor)
        return outputs_of(result)

    return run


@pytest.fixture
def built(executor, arrays, tmp_path):
    """Return a function that builds a model for the host in float32 and returns what came of it; samples are like these, and many."""

    def run(original, samples):
        rng = np.random.default_rng(5)
        samples = {name: rng.normal(size=(300, *array.shape[1:])) for name, array in samples.items()}
        outcomes = toolkit.build(
            original,
            ["host"],
            Samples(evaluation=str(arrays(**samples))),
            tmp_path / "dist",
            scheme="float32",
            executor=executor,
        )
        return outcomes["host"]

    return run


@pytest.fixture
def refused(executor, tmp_path):
    """Return a function that converts a model, expects an error of this class, and returns its text."""

    def run(error, original):
        with pytest.raises(error) as caught:
            toolkit.convert(original, "float32", Samples(), tmp_path / "m.tflite", executor=executor)
        assert caught.type is error
        return str(caught.value)

    return run


def close(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].reshape(values.shape), values, **CLOSE)


@pytest.mark.parametrize("name", ["mnist", "mnist_resource", "mnist_v1"])
def test_a_training_graph_is_cut_to_what_inference_needs(case, ran, executor, name):
    """Batch normalization in a cond, dropout, labels, an optimizer, averages: none of it is left."""
    path, samples, expected = case(name)

    close(ran(Original(path, **INFERENCE), samples), expected)

    told = toolkit.inspect(Original(path, **INFERENCE), executor=executor)
    assert not [one for one in told["findings"] if one["severity"] != "info"]
    assert told["coverage"]["unrestored"] == []
    kinds = {one["name"]: one["what"] for one in told["coverage"]["unused"]}
    assert kinds["global_step"] == "counter"
    assert kinds["fc1/w/Adam"] == kinds["fc1/w/ExponentialMovingAverage"] == kinds["beta1_power"] == "optimizer"


def test_what_is_missing_is_proposed_as_a_command_line(case, refused, ran, edge, tmp_path, arrays):
    """And what is proposed is right: pasted, it converts."""
    path, samples, expected = case("mnist")

    said = refused(InvalidSource, Original(path))

    assert "keep_prob (Placeholder), is_training (Placeholder), which are neither inputs nor bound" in said
    proposed = said.partition("for instance: ")[2].strip()
    assert proposed == (
        "--inputs x=x:0 --outputs probabilities=probabilities:0 --bind keep_prob=1.0 --bind is_training=false"
    )
    artifact = tmp_path / "pasted.tflite"
    ended = edge("convert", path, "--scheme", "float32", "--out", artifact, *shlex.split(proposed))
    assert ended.status == 0, ended.err
    close(ran(Original(path, **INFERENCE), samples), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("loop", {"bind": {"keep_prob": "1.0"}}),
        ("partitioned", {}),
        ("averages", {}),
        ("signed", {}),
        ("default/model.pb", {}),
        ("functions/model.pb", {"bind": {"training": "false"}}),
        ("imported/model.pb", {"inputs": {"import/x": "import/x"}, "outputs": {"import/y": "import/y:0"}}),
        ("imported/model.pbtxt", {"inputs": {"import/x": "import/x"}, "outputs": {"import/y": "import/y:0"}}),
        ("strings/model.pb", {"inputs": {"picture": "picture"}}),
        ("custom/beside.pb", {"outputs": {"y": "y"}}),
        ("two_heads", {"outputs": {"y": "y:0", "z": "z:0"}}),
    ],
)
def test_a_graph_gives_what_its_session_gave(case, ran, name, options):
    """Loops, parts of variables, averages in their place, signatures, calls of functions, defaults, prefixes, strings cut off."""
    folder, _, file = name.partition("/")
    path, samples, expected = case(folder)
    original = Original(path / file, signature="predict" if folder == "signed" else None, **options)

    close(ran(original, samples), expected)


def test_one_choice_is_taken_and_told(case, executor):
    """What was chosen is in the report as it would be typed."""
    path, _, _ = case("queue")

    (finding, *_) = toolkit.inspect(path, executor=executor)["findings"]

    assert finding["code"] == "chosen-tensors"
    assert finding["severity"] == "info"
    assert finding["message"].endswith("--inputs batch=batch:0 --outputs y=y:0")


def test_a_baked_in_batch_is_made_again(case, built, ran, executor):
    """The original still takes four at a time, and the artifact one: so the graph that was made again is proven."""
    path, samples, expected = case("queue")
    original = Original(path, inputs={"batch": "batch"})

    verdict = built(original, samples)
    assert getattr(verdict, "passed", verdict) is True
    close(ran(original, samples), expected)

    told = toolkit.inspect(original, executor=executor)
    assert told["signatures"][0]["inputs"][0]["shape"] == [None, 6]
    assert [(one["code"], one["size"]) for one in told["findings"] if one["code"].startswith("batch")] == [
        ("batch-remade", 4)
    ]


@pytest.mark.parametrize(
    ("name", "why"), [("baked", "for any input"), ("mixing", "a row of y depends on the other rows")]
)
def test_a_batch_that_cannot_be_made_again_stays(case, ran, executor, name, why):
    """It is said why, and the graph is built as it is."""
    path, samples, expected = case(name)

    told = toolkit.inspect(Original(path, inputs={"x": "x"}), executor=executor)
    (finding,) = (one for one in told["findings"] if one["code"] == "batch-baked-in")
    assert finding["severity"] == "warning"
    assert why in finding["message"]
    close(ran(Original(path, inputs={"x": "x"}), samples), expected)


def test_two_answers_want_a_choice(case, refused):
    """None is guessed; the likeliest are named, and one is proposed to paste."""
    path, _, _ = case("two_heads")

    said = refused(InvalidSource, Original(path))

    assert "which tensors are the outputs is not clear from the graph; likely are y:0, z:0" in said
    assert "--inputs x=x:0 --outputs y=y:0" in said


def test_strings_are_cut_off_where_the_error_proposes(case, refused):
    """A device is not fed with the bytes of a file."""
    path, _, _ = case("strings")

    said = refused(InvalidSource, Original(path / "model.pb"))

    assert "contents (Placeholder), which takes strings" in said
    assert "--outputs y=y:0" in said


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"outputs": {"p": "probabilites"}}, UnknownName, "did you mean 'probabilities'?"),
        ({"inputs": {"x": "X"}, "outputs": {"p": "probabilities"}}, UnknownName, "input 'X': unknown; "),
        ({"bind": {"keepprob": "1.0"}}, UnknownName, "did you mean 'keep_prob'?"),
        ({"outputs": {"p": "probabilities:3"}}, UnknownName, "tensor 'probabilities:3': unknown; did you mean 'probabilities:0'?"),
        ({"bind": {"keep_prob": "all"}}, RequestError, "'keep_prob' is float32, and 'all' is not float32"),
        ({"bind": {"is_training": "0.5"}}, RequestError, "'is_training' is bool, and '0.5' is not bool; expected --bind is_training=false"),
        ({"bind": {"keep_prob": "[1, 1]"}}, RequestError, "'keep_prob' has the shape [], the value [2]"),
        ({"inputs": {"x": "x", "y": "x:0"}}, RequestError, "'x:0' is fed twice, as 'x' and as 'y'"),
        ({"inputs": {"x": "x", "k": "keep_prob"}}, RequestError, "'keep_prob:0' is fed twice, as 'k' and as --bind"),
        ({"inputs": {"l": "labels"}}, InvalidSource, "probabilities:0 needs x (Placeholder), which is neither an input nor bound"),
    ],
)  # fmt: skip
def test_a_wrong_tensor_or_value_is_refused(case, refused, options, error, says):
    """By its name, with the closest, before anything is run."""
    path, _, _ = case("mnist")
    bind = {"is_training": "false", "keep_prob": "1.0", **options.get("bind", {})}

    said = refused(error, Original(path, **{**INFERENCE, **options, "bind": bind}))

    assert says in said


def test_two_tensors_under_one_name_are_refused(edge, case, tmp_path):
    """The command line does not keep the last one in silence."""
    path, _, _ = case("two_heads")

    ended = edge(
        "convert", path, "--scheme", "float32", "--out", tmp_path / "m", "--outputs", "y=y:0", "--outputs", "y=z:0"
    )

    assert ended.status == 2
    assert "--outputs y" in ended.err


def test_random_numbers_that_are_left_are_told(case, executor):
    """A dropout that is on draws numbers: what would switch it off is said."""
    path, _, _ = case("mnist")

    told = toolkit.inspect(
        Original(path, **{**INFERENCE, "bind": {"is_training": "false", "keep_prob": "0.5"}}), executor=executor
    )

    (finding,) = (one for one in told["findings"] if one["severity"] == "warning")
    assert finding["code"] == "random-operators"
    assert "--bind" in finding["message"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [("missing", "is missing"), ("cut", "was cut short"), ("flipped", "weights|value of|cannot be read")],
)
def test_damaged_values_are_refused(case, refused, tmp_path, damage, says):
    """One bit is enough."""
    path = copied(case("mnist")[0], tmp_path / "copy")
    data = path / "model-20.data-00000-of-00001"
    if damage == "missing":
        data.unlink()
    elif damage == "cut":
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    else:
        content = bytearray(data.read_bytes())
        content[::64] = bytes(byte ^ 1 for byte in content[::64])
        data.write_bytes(content)

    said = refused(InvalidSource, Original(path, **INFERENCE))

    assert any(part in said for part in says.split("|"))


def test_a_meta_graph_without_values_is_refused(case, refused, tmp_path):
    """A .meta alone holds no weights."""
    path = copied(case("mnist")[0], tmp_path / "copy")
    for part in [*path.glob("*.index"), *path.glob("*.data-*")]:
        part.unlink()

    for handed in (path, path / "model-20.meta"):
        said = refused(InvalidSource, Original(handed, **INFERENCE))
        assert "model-20" in said
        assert ".index" in said or "is not here" in said


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_meta_graph_is_refused(case, refused, tmp_path, damage):
    """Half a graph is none."""
    path = copied(case("mnist")[0], tmp_path / "copy")
    meta = path / "model-20.meta"
    content = meta.read_bytes()
    meta.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"not a graph at all"}[damage])

    said = refused(InvalidSource, Original(path, **INFERENCE))

    assert "model-20.meta" in said
    assert "damaged" in said


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "edge"])
def test_a_damaged_frozen_graph_is_refused(case, refused, tmp_path, damage):
    """Also where it still parses: an edge that comes from nowhere."""
    content = (case("imported")[0] / "model.pb").read_bytes()
    path = tmp_path / "model.pb"
    changed = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"not a graph",
        "edge": content.replace(b"\x0a\x08import/w\x12", b"\x0a\x08import/v\x12"),
    }
    path.write_bytes(changed[damage])

    said = refused(InvalidSource, Original(path))

    assert "damaged" in said or "holds no graph" in said


def test_an_unfrozen_graph_is_refused(refused, made):
    """Its weights are somewhere else: where, is said."""
    said = refused(InvalidSource, Original(made(SCRIPT) / "unfrozen" / "model.pb"))

    assert "is not frozen: it holds the variables w, b without their values" in said
    assert "give the folder of its checkpoint" in said


def test_a_saved_models_own_file_is_no_frozen_graph(models, tmp_path, refused):
    """It starts with another field."""
    shutil.copy(models / "dense" / "saved_model.pb", tmp_path / "model.pb")

    said = refused(InvalidSource, Original(tmp_path / "model.pb"))

    assert "not a saved model of a known kind" in said


def test_an_operator_that_is_not_here_is_named_at_load(made, refused):
    """And by name, before anything is run."""
    said = refused(InvalidSource, Original(made(SCRIPT) / "custom" / "model.pb", outputs={"z": "z"}))

    assert "SomebodysOwnOp" in said


def test_a_graph_that_reads_files_is_refused_unless_trusted(made, refused, executor):
    """What it reads would be in the output."""
    path = made(SCRIPT) / "reading" / "model.pb"

    assert "ReadFile (reads files)" in refused(InvalidSource, Original(path))
    assert toolkit.inspect(Original(path, outputs={"y": "y"}, trust=True), executor=executor)["signatures"]


def test_a_training_graphs_own_files_do_not_count(case, executor):
    """Saving and restoring is in every one of them."""
    path, _, _ = case("mnist")

    told = toolkit.inspect(Original(path, **INFERENCE), executor=executor)

    assert not [one for one in told["findings"] if one["severity"] == "error"]


@pytest.mark.parametrize("form", ["folder", "prefix", "meta", "index"])
def test_a_checkpoint_is_found_by_any_of_its_names(case, ran, form):
    """People paste what their file manager shows."""
    path, samples, expected = case("mnist")
    handed = {
        "folder": path,
        "prefix": path / "model-20",
        "meta": path / "model-20.meta",
        "index": path / "model-20.index",
    }

    close(ran(Original(handed[form], **INFERENCE), samples), expected)


@pytest.mark.parametrize("name", ["mnist_no_meta", "mnist", "mnist_v1"])
def test_a_builder_of_tensorflow_1_makes_the_graph(case, built, ran, executor, name):
    """With a MetaGraph too, which it then takes the place of."""
    path, samples, expected = case(name)
    original = Original(path, builder=f"{BUILDERS / 'graph_tf1.py'}:model")

    verdict = built(original, samples)
    assert getattr(verdict, "passed", verdict) is True
    close(ran(original, samples), expected)
    assert len(toolkit.inspect(original, executor=executor)["coverage"]["restored"]) == 9


def test_a_builder_that_switches_tensorflow_2_off_makes_the_graph(case, ran):
    """disable_v2_behavior at import, and the default graph."""
    path, samples, expected = case("signed")

    found = ran(Original(path, builder=f"{BUILDERS / 'graph_tf1_disabled.py'}:model"), {"x": samples["image"]})

    close(found, {"y": expected["scores"]})


@pytest.mark.parametrize(
    ("builder", "says"),
    [
        ("wider", "conv/kernel has the shape [3, 3, 1, 6] in the model, [3, 3, 1, 4] in the file"),
        ("deeper", "fc3/w"),
        ("shallower", "fc2/b, fc2/w"),
        ("renamed", "--map FILE"),
        ("numbers", "'x' is float; expected a tensor of a TensorFlow 1 graph"),
    ],
)
def test_a_builder_of_another_architecture_is_refused(case, refused, builder, says):
    """Each with what does not fit."""
    path, _, _ = case("mnist_no_meta")

    said = refused(InvalidSource, Original(path, builder=f"{BUILDERS / 'graph_tf1.py'}:{builder}"))

    assert says in said


def test_what_is_allowed_to_be_unrestored_starts_as_it_would(case, executor):
    """And is in the report."""
    path, _, _ = case("mnist_no_meta")
    original = Original(path, builder=f"{BUILDERS / 'graph_tf1.py'}:deeper", allow_unrestored=("fc3/*",))

    told = toolkit.inspect(original, executor=executor)["coverage"]

    assert told["unrestored"] == ["fc3/w"]
    assert told["allowed"] == ["fc3/*"]


def test_without_graph_and_builder_nothing_can_be_built(case, refused, executor):
    """Which `inspect` says before, and refuses nothing."""
    path, _, _ = case("mnist_no_meta")

    assert "--builder" in refused(InvalidSource, Original(path))
    told = toolkit.inspect(path, executor=executor)
    assert "a builder" in told["needs"][0]
    assert {"name": "fc2/w", "dtype": "float32", "shape": [12, 5], "size_bytes": 240} in told["variables"]


def test_a_map_brings_variables_to_other_names(case, ran, tmp_path):
    """Of a graph under a scope."""
    path, samples, expected = case("mnist_no_meta")
    names = [
        "conv/kernel",
        "bn/moving_mean",
        "bn/moving_variance",
        "bn/beta",
        "bn/gamma",
        "fc1/w",
        "fc1/b",
        "fc2/w",
        "fc2/b",
    ]
    names_file = tmp_path / "map.toml"
    names_file.write_text("".join(f'"net/{name}" = "{name}"\n' for name in names))

    close(ran(Original(path, builder=f"{BUILDERS / 'graph_tf1.py'}:renamed", map=names_file), samples), expected)


@pytest.mark.parametrize(("function", "lines"), [("model", '"kernel" = "w"\n"bias" = "b"\n'), ("same_names", None)])
def test_a_builder_of_tensorflow_2_takes_variables_by_name(case, ran, tmp_path, function, lines):
    """As they are called there, or by a map."""
    path, samples, expected = case("signed")
    names_file = tmp_path / "map.toml"
    names_file.write_text(lines or "")
    original = Original(path, builder=f"{BUILDERS / 'graph_tf2.py'}:{function}", map=names_file if lines else None)

    close(ran(original, {"x": samples["image"]}), {"y": expected["scores"]})


@pytest.mark.parametrize(
    ("lines", "error", "says"),
    [
        ('"kernl" = "w"\n"bias" = "b"\n', UnknownName, "variable of the model 'kernl': unknown; did you mean 'kernel'?"),
        ('"kernel" = "ww"\n"bias" = "b"\n', UnknownName, "variable of the file 'ww': unknown; did you mean 'w'?"),
        ('"kernel" = "w"\n', InvalidSource, "1 of 2 variables of the model"),
        ('"kernel" = "b"\n"bias" = "w"\n', InvalidSource, "kernel (saved as b) has the shape [6, 3] in the model, [3] in the file"),
        ('"kernel" = "w"\n"bias" = "w"\n', InvalidSource, "are mapped to 'w'; expected one"),
        ('"kernel" = 3\n', InvalidSource, "'kernel' is int"),
        ("kernel: w\n", InvalidSource, "is not TOML"),
    ],
)  # fmt: skip
def test_a_wrong_map_is_refused(case, refused, tmp_path, lines, error, says):
    """With the closest name, or what the line should be."""
    path, _, _ = case("signed")
    names_file = tmp_path / "map.toml"
    names_file.write_text(lines)

    said = refused(error, Original(path, builder=f"{BUILDERS / 'graph_tf2.py'}:model", map=names_file))

    assert says in said


def test_a_resource_variable_of_another_shape_is_refused(made, refused):
    """TensorFlow itself takes it in silence."""
    said = refused(InvalidSource, Original(made(SCRIPT) / "mismatched"))

    assert "w has the shape [6, 3] in the model, [8, 3] in the file" in said


def test_a_flipped_bit_in_the_index_is_refused(case, refused, tmp_path):
    """Whatever it says then is not what was saved."""
    path = copied(case("mnist")[0], tmp_path / "copy")
    flip_a_bit(path / "model-20.index")

    assert "damaged" in refused(InvalidSource, Original(path, **INFERENCE))


others = pytest.mark.skipif(not SHARED.is_dir(), reason="the models of others are not here")


@others
@pytest.mark.parametrize("name", [slow("x2"), "x2_small", slow("x3")])
def test_super_resolution_gives_what_its_author_got(ran, name):
    """Input is the luminance of the picture, rounded, over 255."""
    expected = np.load(SHARED / "fsrcnn_saver" / name / "expected_on_input_png.npy")
    image = luminance(SHARED / "fsrcnn_saver" / "input.png")

    source = SHARED / "fsrcnn_saver" / name
    ends = {"inputs": {"image": "IteratorGetNext:0"}, "outputs": {"y": "NCHW_output"}}
    found = ran(Original(source, shapes={"image": image.shape}, **ends), {"image": image})["y"]

    np.testing.assert_allclose(found.ravel(), expected.ravel(), **CLOSE)


@others
@pytest.mark.parametrize(
    ("name", "shape", "bind"),
    [
        ("regression/checkpoint", (), {}),
        ("regression/graphdef/frozen.pb", (), {}),
        slow("rnn_frozen/gru.pb", (1, 784), {"keep_prob": "1.0"}),
        slow("rnn_frozen/lstm.pb", (1, 784), {"keep_prob": "1.0"}),
    ],
)
def test_graphs_of_others_are_built(built, name, shape, bind):
    """A scalar in, a checkpoint whose only sink is a loss, and dropout that a placeholder switches off."""
    verdict = built(Original(SHARED / name, shapes={"X": shape}, bind=bind), {"X": np.zeros((1, *shape))})

    assert getattr(verdict, "passed", verdict) is True


def luminance(path):
    """Return Y of YCrCb (ITU-R BT.601, full range), rounded to whole numbers as OpenCV does, over 255: (1, H, W, 1)."""
    pillow = pytest.importorskip("PIL.Image")
    colours = np.asarray(pillow.open(path).convert("RGB"), np.float64)
    return (np.round(colours @ [0.299, 0.587, 0.114]) / 255)[None, :, :, None].astype(np.float32)

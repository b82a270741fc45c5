"""Write Keras files of many kinds, each with samples and what the model that was saved gave for them.

    python make_keras.py FOLDER       with the interpreter of the tensorflow environment

Beside NAME.keras, NAME.h5, ... lies NAME.npz with arrays `in:x` and `out:scores`, samples along the first axis. All numbers are seeded, and no
variable has the value that a new model gives it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "builders"))

import keras  # noqa: E402
import keras_net  # noqa: E402
import keras_parts  # noqa: E402
import tf_keras  # noqa: E402

COUNT = 4
Made = tuple[Any, dict[str, np.ndarray]]


def several(k: Any) -> Made:
    """Two inputs and two outputs of one shape, in an order that is not that of their names; trained, so that the file has an optimizer."""
    zulu, alpha = k.Input((6,), name="zulu"), k.Input((6,), name="alpha")
    mixed = k.layers.Dense(8, activation="relu")(k.layers.Concatenate()([zulu, alpha]))
    model = k.Model([zulu, alpha], [k.layers.Dense(4, name="second")(mixed), k.layers.Dense(4, name="first")(zulu)])
    model.compile("adam", "mse")
    fed = {"zulu": normal(6), "alpha": normal(6, seed=9)}
    model.fit([fed["zulu"], fed["alpha"]], [normal(4), normal(4)], verbose=0)
    return model, fed


def mapping(k: Any) -> Made:
    """Inputs and outputs are dictionaries."""
    taken = {name: k.Input((6,), name=name) for name in ("zulu", "alpha")}
    mixed = k.layers.Dense(8, activation="tanh")(k.layers.Concatenate()([taken["zulu"], taken["alpha"]]))
    given = {"scores": k.layers.Dense(3)(mixed), "hidden": mixed}
    return k.Model(taken, given), {"zulu": normal(6), "alpha": normal(6, seed=9)}


def nested(k: Any) -> Made:
    """A model inside a model, called twice, and beside it a layer that is called twice."""
    inner_input = k.Input((6,))
    inner = k.Model(inner_input, k.layers.Dense(4)(k.layers.Dense(6, activation="relu")(inner_input)), name="inner")
    shared = k.layers.Dense(6, activation="relu")
    one, other = k.Input((6,), name="one"), k.Input((6,), name="other")
    model = k.Model([one, other], k.layers.Subtract(name="gap")([inner(shared(one)), inner(shared(other))]))
    return model, {"one": normal(6), "other": normal(6, seed=9)}


def recurrent(k: Any) -> Made:
    """LSTM and GRU, forwards and backwards."""
    layers = [
        k.Input((5, 4), name="x"),
        k.layers.Bidirectional(k.layers.GRU(6, return_sequences=True)),
        k.layers.Bidirectional(k.layers.LSTM(5)),
        k.layers.Dense(3, name="scores"),
    ]
    return k.Sequential(layers), {"x": normal(5, 4)}


def attention(k: Any) -> Made:
    """Whole numbers in, embedded, attended to."""
    ids = k.Input((7,), dtype="int32", name="ids")
    values = k.layers.Embedding(20, 16)(ids)
    attended = k.layers.MultiHeadAttention(2, 8)(values, values)
    pooled = k.layers.GlobalAveragePooling1D()(k.layers.LayerNormalization()(k.layers.Add()([values, attended])))
    numbers = np.random.default_rng(5).integers(0, 20, (COUNT, 7)).astype(np.int32)
    return k.Model(ids, k.layers.Dense(3, name="scores")(pooled)), {"ids": numbers}


def convolution(k: Any) -> Made:
    """Convolutions of three kinds, normalized; dropout that is off, and scaling of pixels inside the model."""
    norm = k.layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])
    layers = [
        k.Input((12, 12, 3), name="image"),
        k.layers.Rescaling(0.5),
        norm,
        k.layers.Conv2D(6, 3, strides=2, padding="same"),
        k.layers.BatchNormalization(),
        k.layers.ReLU(6.0),
        k.layers.DepthwiseConv2D(3, padding="same"),
        k.layers.SeparableConv2D(8, 3),
        k.layers.Dropout(0.5),
        k.layers.GlobalAveragePooling2D(),
        k.layers.Dense(3, activation="softmax", name="scores"),
    ]
    return k.Sequential(layers), {"image": normal(12, 12, 3)}


def half(k: Any) -> Made:
    """Mixed precision: computes in float16, keeps float32."""
    k.mixed_precision.set_global_policy("mixed_float16")
    try:
        return convolution(k)
    finally:
        k.mixed_precision.set_global_policy("float32")


def double(k: Any) -> Made:
    """Computes in float64, and takes it."""
    k.mixed_precision.set_global_policy("float64")
    try:
        layers = [
            k.Input((6,), name="x", dtype="float64"),
            k.layers.Dense(8, activation="tanh"),
            k.layers.Dense(3, name="scores"),
        ]
        return k.Sequential(layers), {"x": normal(6)}
    finally:
        k.mixed_precision.set_global_policy("float32")


def gain(k: Any) -> Made:
    """A layer that is no layer of Keras."""
    inputs = k.Input((6,), name="x")
    layer = keras_parts.Gain if k is keras else keras_parts.OldGain
    return k.Model(inputs, k.layers.Dense(3, name="scores")(layer()(inputs))), {"x": normal(6)}


def shift(_: Any) -> Made:
    """A layer that is registered under a package's name."""
    inputs = keras.Input((6,), name="x")
    return keras.Model(inputs, keras.layers.Dense(3, name="scores")(keras_parts.Shift(0.25)(inputs))), {"x": normal(6)}


def pair(_: Any) -> Made:
    """A model written as a class."""
    model, _ = keras_parts.pair()
    return model, {"left": normal(6), "right": normal(6, seed=9)}


def normal(*shape: int, seed: int = 3) -> np.ndarray:
    """Return COUNT samples, float32; other ones for each shape."""
    return np.random.default_rng([seed, *shape]).normal(size=(COUNT, *shape)).astype(np.float32)


def settle(model: Any) -> None:
    """Give every variable a number of its own."""
    rng = np.random.default_rng(11)
    for variable in model.weights:
        if "float" in str(variable.dtype) and tuple(variable.shape):
            kind = (getattr(variable, "path", None) or variable.name).lower()
            low = 0.2 if "variance" in kind or "gamma" in kind else -0.5
            variable.assign(rng.uniform(low, 0.8, tuple(variable.shape)).astype(np.float32))


def known(place: Path, model: Any, fed: dict[str, np.ndarray], outputs: list[str]) -> None:
    """Write the samples and what the model gives for them, by name."""
    structure = (
        fed
        if isinstance(getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None)), dict)
        else list(fed.values())
    )
    given = (
        model(*fed.values(), training=False)
        if type(model) is keras_parts.Pair
        else model(structure[0] if isinstance(structure, list) and len(structure) == 1 else structure, training=False)
    )
    by_name = (
        given
        if isinstance(given, dict)
        else dict(zip(outputs, given if isinstance(given, (list, tuple)) else [given], strict=True))
    )
    arrays = {f"out:{name}": np.asarray(value, np.float32) for name, value in by_name.items()}
    np.savez(place.with_name(place.name + ".npz"), **{f"in:{name}": value for name, value in fed.items()}, **arrays)


OUTPUTS = {"several": ["second", "first"], "nested": ["gap"]}
CASES: list[tuple[Callable[[Any], Made], Any, tuple[str, ...]]] = [
    *((make, k, (".keras", ".h5")) for make in (several, mapping, nested, recurrent, attention, convolution) for k in (keras, tf_keras)),
    (half, keras, (".keras",)), (half, tf_keras, (".h5",)),
    (double, keras, (".keras",)), (double, tf_keras, (".h5",)),
    (gain, keras, (".keras", ".h5")), (gain, tf_keras, (".keras", ".h5")),
    (shift, keras, (".keras",)), (pair, keras, (".keras", ".weights.h5")),
]  # fmt: skip


def whole_models(folder: Path) -> None:
    """Save each case in each of its formats."""
    for make, k, suffixes in CASES:
        k.utils.set_random_seed(7)
        model, fed = make(k)
        settle(model)
        place = folder / f"{make.__name__}-{k.__name__}"
        for suffix in suffixes:
            save = model.save_weights if "weights" in suffix else model.save
            save(str(place) + suffix)
        known(place, model, fed, OUTPUTS.get(make.__name__, ["scores"]))


def with_lambda(folder: Path) -> None:
    """Files whose Lambda layers leave a mark when their code runs; beside them what the model would have given."""
    for k, suffix in ((tf_keras, ".h5"), (tf_keras, ".keras"), (keras, ".keras"), (keras, ".h5")):
        inputs = k.Input((6,), name="x")

        def marked(values: Any, mark: str = str(folder / "the lambda ran")) -> Any:
            open(mark, "w").close()
            return values * 2.0

        marked.__name__ = "<lambda>"  # which is how Keras tells them
        model = k.Model(inputs, k.layers.Dense(3, name="scores")(k.layers.Lambda(marked)(inputs)))
        settle(model)
        model.save(str(folder / f"lambda-{k.__name__}{suffix}"))
        known(folder / f"lambda-{k.__name__}", model, {"x": normal(6)}, ["scores"])
    (folder / "the lambda ran").unlink()


def weights(folder: Path) -> None:
    """The weights of one network, as each Keras writes them, trained a little so that there is an optimizer."""
    for k in (keras, tf_keras):
        k.utils.set_random_seed(7)
        model = keras_net.build(k.__name__)
        model.compile("adam", "mse")
        model.fit(normal(6, 4), normal(3), verbose=0)
        settle(model)
        place = folder / f"net-{k.__name__}"
        model.save_weights(f"{place}.weights.h5")
        model.save(f"{place}.h5")
        if k is tf_keras:
            model.save_weights(f"{place}.only.h5")
        known(place, model, {"x": normal(6, 4)}, ["scores"])


def main(folder: str) -> None:
    """Write all of them."""
    for write in (whole_models, with_lambda, weights):
        write(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])

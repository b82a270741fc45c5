"""Which functions a configuration of Keras may name: by what they are called, and where they would be taken from."""

from __future__ import annotations

import pytest

from toolkit.source.loading.keras_models.vetting import refusals


def naming(name: str, module: str | None, registered: str | None = None) -> dict:
    """Return a layer that applies a function, as Keras 3 and tf-keras write it."""
    function = {"class_name": "function", "config": name, "module": module, "registered_name": registered or name}
    return {"class_name": "Activation", "module": "keras.layers", "config": {"name": "a", "activation": function}}


@pytest.mark.parametrize(
    "module",
    [
        "keras.src.utils.file_utils",  # has a `copy` that copies files; Keras before 3.10 takes it
        "tensorflow.python.ops.gen_debug_ops",  # which tf-keras imports; its `copy` is the operator Copy, which sends what it copies to a debugger
        "tensorflow.python.ops.summary_ops_v2",
        "keras.src.saving.saving_lib",
        "tf_keras.src.utils.tf_inspect",
        "os",
    ],
)
def test_a_known_name_is_not_taken_from_anywhere(module):
    """What Keras calls `copy` computes; the function of that name in a module of tools does not."""
    (refused,) = refusals(naming("copy", module))

    assert f"{module}.copy" in refused.what


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("relu", None),
        ("relu", "builtins"),
        ("relu", "keras.activations"),
        ("silu", "keras.src.activations.activations"),
        ("copy", "keras.ops"),
        ("copy", "keras.src.ops.numpy"),
        ("mean_squared_error", "keras.src.losses.losses"),
        ("binary_accuracy", "keras.metrics"),
        ("relu", "tf_keras.src.activations"),
        ("relu", "tensorflow.keras.activations"),
        ("softmax", "tensorflow.python.keras.activations"),
        ("softmax", "keras.src.backend"),
        ("relu", "tensorflow.python.ops.gen_nn_ops"),
        ("tanh", "tensorflow.python.ops.gen_math_ops"),
        ("gelu", "tensorflow.python.ops.nn_impl"),
        ("sigmoid", "tensorflow.python.ops.math_ops"),
        ("leaky_relu", "tensorflow.python.ops.nn_ops"),
        ("abs", "tensorflow.python.ops.numpy_ops.np_math_ops"),
    ],
)
def test_functions_that_compute_pass(name, module):
    """By the names that both Keras and TensorFlow give their modules."""
    assert refusals(naming(name, module)) == []


def test_a_function_of_the_builders_is_known_by_its_own_name():
    """Both Keras look a function up by its name: what is said to be registered as the builder's and is called otherwise would be another."""
    mine = naming("mine", "project", "Project>mine")
    other = naming("write_file", "tensorflow.io", "Project>mine")

    assert refusals(mine, {"Project>mine"}) == []
    assert refusals(naming("Project>mine", "builtins", "Project>mine"), {"Project>mine"}) == []
    assert refusals(other, {"Project>mine"}) != []

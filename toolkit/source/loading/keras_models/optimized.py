"""Keras files of TensorFlow's model optimization (tfmot): quantization-aware, pruned, clustered; and the code to build them, ready to paste."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath

from toolkit import printable
from toolkit.printable import Text

# classes that only such files name
_AWARE = {"QuantizeLayer", "QuantizeWrapper", "QuantizeWrapperV2", "QuantizeAnnotate"}
_PRUNED = {"PruneLowMagnitude"}
_CLUSTERED = {"ClusterWeights", "MHAClusterWeights"}


def needed(path: str, names: Collection[str]) -> Text | None:
    """Return what a file with these classes needs; None where no class is of tfmot.

    Quantization-aware layers stay: they compute what was trained. Pruning and clustering wrap layers and change the weights with each call (a mask,
    centroids). A converter would take weights that the model does not compute with, so the wrappers are stripped first, as tfmot asks for.
    """
    classes = set(names)
    if classes & _AWARE:
        return _aware(path)
    if classes & _PRUNED:
        # the last training step left weights without the mask
        laid = "[layer.pruning_obj.weight_mask_op() for layer in model.layers if hasattr(layer, 'pruning_obj')]"
        return _stripped(path, "pruned", "tfmot.sparsity.keras", ("prune_scope", "strip_pruning"), [laid])
    if classes & _CLUSTERED:
        return _stripped(path, "clustered", "tfmot.clustering.keras", ("cluster_scope", "strip_clustering"), [])
    return None


def _aware(path: str) -> Text:
    lines = [
        "import tensorflow_model_optimization as tfmot",
        "import tf_keras",
        "",
        "def model():",
        "    with tfmot.quantization.keras.quantize_scope():",
        f"        return tf_keras.models.load_model({printable.literal(path)}, compile=False)",
    ]
    said = (
        "--builder tfmot_model.py:model, for this file is quantization-aware; write tfmot_model.py (--python source=/path/to/python names "
        "an interpreter in which tensorflow-model-optimization is installed):"
    )
    return printable.lines([said, *lines])


def _stripped(path: str, what: str, package: str, functions: tuple[str, str], before: list[str]) -> Text:
    scope, strip = functions
    own = PurePath(path)
    lines = [
        "import tensorflow_model_optimization as tfmot",
        "import tf_keras",
        "",
        f"with {package}.{scope}():",
        f"    model = tf_keras.models.load_model({printable.literal(path)}, compile=False)",
        *before,
        f"{package}.{strip}(model).save({printable.literal(f'{own.stem}_stripped.h5')})",
    ]
    said = (
        f"the model without what {'pruning' if what == 'pruned' else 'clustering'} put around its layers, for this file is {what}; save it, "
        "where tensorflow-model-optimization is installed, and build that:"
    )
    return printable.lines([said, *lines])

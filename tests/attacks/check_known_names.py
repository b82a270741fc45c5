"""Hold the names that a configuration of Keras may hold against what is installed; exit status 1 where one misfits."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras  # noqa: F401
import tf_keras  # noqa: F401
from keras.src import api_export
from tensorflow.python.util import tf_export

from toolkit.source.loading.keras_models import known_names, known_symbols

# Parameters that take code or a place; those of these names that take neither are told beside them.
REACHING = re.compile(
    r"(.*_)?(fn|func|function|body|callable|path|filename|file|url|dir|directory|stream|output_stream|writer|session)s?"
)
HARMLESS = {"window_fn", "forward_window_fn", "top_paths"}  # functions, which JSON has not, and a count
NEVER = {
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "DenseFeatures",
    "DynamicLookup",
    "FeatureSpace",
}

tensorflow = tf_export._NAME_TO_SYMBOL_MAPPING  # by which TFOpLambda finds them
wrong = []
for symbol in sorted(known_symbols.SYMBOLS & set(tensorflow)):
    taken = set(inspect.signature(tensorflow[symbol]).parameters)
    wrong += [f"tf.{symbol} takes {name}" for name in taken if REACHING.fullmatch(name) and name not in HARMLESS]
bases = {name.removeprefix("compat.v1.") for name in known_symbols.SYMBOLS}
there = {name.removeprefix("compat.v1.") for name in tensorflow}
wrong += [f"tf.{name}: there is no such function" for name in bases - there]
classes = {name.rpartition(".")[2] for names in (tensorflow, api_export.REGISTERED_NAMES_TO_OBJS) for name in names}
wrong += [
    f"{name}: no layer of that name"
    for name in known_names.LAYERS - classes
    if not re.fullmatch(
        r"(CuDNN)?(GRU|LSTM)\w*|Add(Loss|Metric)|BatchNormalizationV\d|GroupedQueryAttention|LayerScale|StochasticDepth",
        name,
    )
]
wrong += [f"{name}: is no layer to be let in" for name in NEVER & known_names.LAYERS]
if wrong:
    sys.exit("\n".join(wrong))

"""The networks of docs/outcomes.md: the embedded sample, and those of ../shared/models, which others trained. Each with its options and its samples.

None of the samples that judge calibrates. Where the photographs of a set are few, their mirror images calibrate.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "models"
LABELS = "labels"
SEED = 0

Arrays = Mapping[str, np.ndarray]
Sets = tuple[
    Arrays, Arrays
]  # those that calibrate, those that judge: by input, the first axis counts; and LABELS, where there are any


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network: `source` is its path under MODELS, `options` are what a build of it is told, and `sets` reads its samples.

    `about` says what it is, and `samples` what its samples are, for readers. `converted` are files that its authors made of it, under MODELS.
    """

    name: str
    about: str
    source: Path
    samples: str
    sets: Callable[[], Sets]
    options: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()


def _read(path: str, name: str) -> np.ndarray:
    with np.load(MODELS / path) as held:
        return np.asarray(held[name])


def _digits() -> Sets:
    with np.load(ROOT / "calibration" / "digits.npz") as held:
        images, labels = held["images"].astype(np.float32), held["labels"]
    order = np.random.default_rng(SEED).permutation(len(images))
    first, rest = order[:200], order[200:]
    return {"image": images[first], LABELS: labels[first]}, {"image": images[rest], LABELS: labels[rest]}


def _cifar() -> Sets:
    train, test = (
        {
            "input_1": _read(f"resnet8/{name}.npz", "x").astype(np.float32),
            LABELS: _read(f"resnet8/{name}.npz", "y").ravel(),
        }
        for name in ("train", "test")
    )
    return train, test


def _people() -> Sets:
    images = _read("vww/inputs.npz", "x").astype(np.float32)
    return {"input_1": images[:, :, ::-1]}, {"input_1": images}


def _words() -> Sets:
    spectra = _read("streaming_wakeword/calibration_samples.npz", "specs").astype(np.float32)
    labels = _read("streaming_wakeword/calibration_samples.npz", "labels").astype(np.int64)
    third = np.arange(len(spectra)) % 3 == 0
    return {"input_1": spectra[third], LABELS: labels[third]}, {"input_1": spectra[~third], LABELS: labels[~third]}


def _faces() -> Sets:
    faces = _read("face/faces64.npz", "x").astype(np.float32)
    return {"input_1": faces[:, :, ::-1]}, {"input_1": faces}


def _pieces(path: str) -> np.ndarray:
    """Return the pieces of 32 by 32 pixels of a photograph, in grey from 0 to 1, float32 (n, 32, 32, 1)."""
    grey = np.asarray(Image.open(MODELS / path).convert("L"), np.float32) / 255
    rows, columns = (size // 32 for size in grey.shape)
    cut = grey[: rows * 32, : columns * 32].reshape(rows, 32, columns, 32).swapaxes(1, 2)
    return cut.reshape(-1, 32, 32, 1)


def _photographs(name: str) -> Callable[[], Sets]:
    return lambda: ({name: _pieces("photos/grace_hopper.jpg")}, {name: _pieces("fsrcnn_saver/butterfly.png")})


def _numbers() -> Sets:
    drawn = np.random.default_rng(SEED).uniform(-3, 3, 700).astype(np.float32)
    return {"X": drawn[:200]}, {"X": drawn[200:]}


def _written() -> Sets:
    with gzip.open(MODELS / "mnist_lstm" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)[:700] / np.float32(255)
    return {"X": images[:200]}, {"X": images[200:]}


_PENGUIN = ("culmen_length_mm", "culmen_depth_mm", "flipper_length_mm", "body_mass_g")
_PARSED = "StatefulPartitionedCall/ParseExample/ParseExampleV2"


def _penguins() -> Sets:
    def columns(array: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[:, [place]].astype(np.float32) for place, name in enumerate(_PENGUIN)}

    judged = columns(_read("penguin/penguin_eval.npz", "x")) | {LABELS: _read("penguin/penguin_eval.npz", "y")}
    return columns(_read("penguin/penguin_eval.npz", "xt")), judged


_ENLARGED = ("--inputs", "image=IteratorGetNext:0", "--outputs", "enlarged=NCHW_output:0")
_LINE = ("--inputs", "X=X:0", "--outputs", "pred=pred:0")
_BUTTERFLY = "pieces of a photograph, 32 by 32, those that calibrate of another photograph"
_MNIST = "digits of MNIST"

NETWORKS = (
    Network(
        "digits",
        "the embedded sample: a small CNN for digits of 8 by 8, SavedModel of TensorFlow 2.21",
        ROOT / "toolkit" / "sample" / "digits",
        "digits, with labels",
        _digits,
    ),
    Network(
        "line from a SavedModel",
        "a line, y = ax + b, of one number; SavedModel of TensorFlow 1.11",
        MODELS / "regression" / "saved_model",
        "made numbers",
        _numbers,
        converted=("regression/tflite/model.tflite",),
    ),
    Network(
        "line from a Saver",
        "the same from a `tf.train.Saver`'s files, with its training graph",
        MODELS / "regression" / "checkpoint",
        "made numbers",
        _numbers,
        _LINE,
    ),
    Network(
        "line from a frozen graph",
        "the same from a frozen graph",
        MODELS / "regression" / "graphdef" / "frozen.pb",
        "made numbers",
        _numbers,
        _LINE,
    ),
    Network(
        "penguins",
        "dense network for three species, SavedModel of Keras 2.3.1, cut behind the part that reads strings",
        MODELS / "penguin" / "saved_model",
        "measured penguins, with labels",
        _penguins,
        ("--inputs", ",".join(f"{name}={_PARSED}:{place}" for place, name in enumerate(sorted(_PENGUIN)))),
    ),
    Network(
        "ResNet8",
        "CIFAR-10, of MLPerf Tiny, `.h5` of tf.keras 2.4",
        MODELS / "resnet8" / "pretrainedResnet.h5",
        "images of CIFAR-10, with labels",
        _cifar,
        converted=("resnet8/pretrainedResnet.tflite", "resnet8/pretrainedResnet_quant.tflite"),
    ),
    Network(
        "visual wake words",
        "MobileNetV1 0.25 for person or no person, of MLPerf Tiny, `.h5` of tf.keras 2.4",
        MODELS / "vww" / "vww_96.h5",
        "photographs without labels, those that calibrate mirrored",
        _people,
        converted=("vww/vww_96_float.tflite", "vww/vww_96_int8.tflite"),
    ),
    Network(
        "streaming wake word",
        "DS-CNN in one dimension, of MLPerf Tiny, `.h5` of tf.keras 2.14",
        MODELS / "streaming_wakeword" / "str_ww_ref_model.h5",
        "spectra of words, with labels",
        _words,
        converted=("streaming_wakeword/str_ww_ref_model.tflite",),
    ),
    Network(
        "mini XCEPTION",
        "emotions of faces, `.hdf5` of Keras 2.0.5",
        MODELS / "face" / "fer2013_mini_XCEPTION.102-0.66.hdf5",
        "faces without labels, those that calibrate mirrored",
        _faces,
    ),
    Network(
        "tiny XCEPTION",
        "the same, smaller",
        MODELS / "face" / "tiny_XCEPTION_KDEF.hdf5",
        "faces without labels, those that calibrate mirrored",
        _faces,
    ),
    *(
        Network(
            f"FSRCNN {name} from a Saver",
            "super-resolution, a `tf.train.Saver`'s files of TensorFlow 1.12",
            MODELS / "fsrcnn_saver" / name,
            _BUTTERFLY,
            _photographs("image"),
            _ENLARGED,
        )
        for name in ("x2", "x2_small", "x3")
    ),
    *(
        Network(
            f"FSRCNN {name} from a frozen graph",
            "super-resolution, a frozen graph",
            MODELS / "fsrcnn_saver" / f"FSRCNN_{name}.pb",
            _BUTTERFLY,
            _photographs("IteratorGetNext"),
            ("--shape", "IteratorGetNext=1,32,32,1"),
        )
        for name in ("x2", "x3")
    ),
    *(
        Network(
            f"{name.upper()} from a frozen graph",
            "a recurrent network in a loop of TensorFlow 1",
            MODELS / "rnn_frozen" / f"{name}.pb",
            _MNIST,
            _written,
            ("--bind", "keep_prob=1.0", "--shape", "X=1,784"),
        )
        for name in ("gru", "lstm")
    ),
)

NO_ORIGINAL = {
    "hello_world/hello_world_float.tflite": "the sine of TensorFlow Lite Micro",
    "hello_world/hello_world_int8.tflite": "the sine of TensorFlow Lite Micro",
    "mnist_lstm/trained_lstm.tflite": "an LSTM for MNIST, of TensorFlow Lite Micro",
    "mnist_lstm/trained_lstm_int8.tflite": "an LSTM for MNIST, of TensorFlow Lite Micro",
    "regression/tflite/test_api_model.tflite": "a line that is not the one of the other files",
    "resnet8/pretrainedResnet_large_float.tflite": "a larger ResNet",
    "resnet8/pretrainedResnet_large_int8.tflite": "a larger ResNet",
}

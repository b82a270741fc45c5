"""Real networks as they come, with no setting but where their samples are: none is refused.

docs/verdicts.md lists these, and those of other files that are built in the same way.
"""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from PIL import Image

import toolkit
from toolkit import Original, Samples

pytestmark = pytest.mark.slow  # whole builds of many networks

ENDS = {"inputs": {"image": "IteratorGetNext:0"}, "outputs": {"enlarged": "NCHW_output:0"}}


def shifted(array, axis, places):
    """Return an array moved along an axis, its edge repeated; so many samples more, of the same kind."""
    index = np.clip(np.arange(array.shape[axis]) - places, 0, array.shape[axis] - 1)
    return array.take(index, axis=axis)


def faces(models):
    """28 faces, moved, to judge by; mirrored, to calibrate with."""
    with np.load(models / "face" / "faces64.npz") as held:
        images = held["x"].astype(np.float32)
    judging = np.concatenate([shifted(images, 2, places) for places in (0, 1, 2, 3)])
    return {"input_1": images[:, :, ::-1]}, {"input_1": judging}


def words(models):
    """45 spectrograms, earlier and later."""
    with np.load(models / "streaming_wakeword" / "calibration_samples.npz") as held:
        sounds = held["specs"].astype(np.float32)
    judging = np.concatenate([shifted(sounds, 1, places) for places in (0, 1, 2)])
    return {"input_1": shifted(sounds, 1, -1)}, {"input_1": judging}


def pieces(models):
    """A photograph in pieces of 24 pixels: every other one judges."""
    photo = Image.open(models / "fsrcnn_saver" / "butterfly.png").convert("L")
    grey = np.asarray(photo, np.float32) / 255
    corners = [(top, left) for top in range(0, 160, 20) for left in range(0, 160, 20)]
    cut = np.stack([grey[top : top + 24, left : left + 24] for top, left in corners])[..., None]
    return {"image": cut[::2]}, {"image": cut[1::2]}


def digits(models):
    """Written digits, of which 100 calibrate and 200 judge."""
    with gzip.open(models / "mnist_lstm" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)[:300].astype(np.float32) / 255
    return {"X": images[:100]}, {"X": images[100:]}


BUILDS = {
    "emotions-host": ("face/tiny_XCEPTION_KDEF.hdf5", "host", faces, {}),
    "wakeword-onnxruntime": ("streaming_wakeword/str_ww_ref_model.h5", "onnxruntime-host", words, {}),
    "super-resolution-host": ("fsrcnn_saver/x2", "host", pieces, ENDS),
    "gru-linux": ("rnn_frozen/gru.pb", "linux-x86_64-tflite-runtime", digits, {"bind": {"keep_prob": "1.0"}, "shapes": {"X": (1, 784)}}),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDS)
def test_a_healthy_network_is_not_refused(shared_models, executor, tmp_path, record_property, name):
    """The first scheme of the target that passes ships; what was tried before it is said."""
    path, target, sets, more = BUILDS[name]
    names = []
    for role, held in zip(("calibration", "evaluation"), sets(shared_models), strict=True):
        np.savez(tmp_path / f"{role}.npz", **held)
        names.append(str(tmp_path / f"{role}.npz"))

    outcome = toolkit.build(
        Original(shared_models / path, **more), [target], Samples(*names), tmp_path / "dist", executor=executor
    )[target]

    assert outcome.passed
    record_property("scheme", outcome.artifact.scheme)
    record_property("samples", str(dict(outcome.samples)))

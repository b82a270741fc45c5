"""What calibration.py measures, in the engines' own interpreters; prints one JSON document.

python observe.py prepare MODEL SAMPLES FOLDER COUNT   TensorFlow: write FOLDER/saved_model, model.tflite and samples (of an .npz)
python observe.py converter FOLDER COUNT               TensorFlow: seconds of a sample in the converter's own calibration
python observe.py ours FOLDER COUNT                    LiteRT: seconds of a sample: bare inference, and calibration with and without histograms
python observe.py part FOLDER PART PARTS               LiteRT: says that it is ready, waits for a line, calibrates with one part of the samples
python observe.py memory FOLDER                        LiteRT: the most memory that calibration with all samples held, in bytes

MODEL is a SavedModel or an .h5 file, whose input `image` takes one sample. Seconds are those that the processor worked for this process alone.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from toolkit.worker.request import Request
from toolkit.worker.shards import ShardWriter, read_samples

OPTIONS = {"threads": 1, "kernels": "default", "signature": None}


def prepare(model: str, samples: str, folder: str, count: str) -> None:
    """Write what the others read: the SavedModel, its float artifact, and so many samples."""
    from toolkit.converters import tflite

    saved = Path(folder) / "saved_model"
    with np.load(samples) as held:
        images = held["image" if "image" in held else "x"].astype(np.float32)
    if model.endswith(".h5"):
        import keras
        import tensorflow as tf

        signature = [tf.TensorSpec((1, *images.shape[1:]), tf.float32, name="image")]
        keras.saving.load_model(model, compile=False).export(str(saved), verbose=False, input_signature=signature)
    else:
        shutil.copytree(model, saved)
    tflite.convert(Request({}, {"model": saved}, Path(folder)))
    with ShardWriter(Path(folder) / "samples") as writer:
        for number in range(int(count)):
            writer.add({"image": images[number % len(images)][np.newaxis]})


def cpu_seconds(do: Callable[[], object]) -> float:
    """Return how long a processor worked at it: what others do on this machine is not counted."""
    began = time.process_time()
    do()
    return time.process_time() - began


def first(folder: Path, count: int, into: Path) -> Path:
    """Return a folder with the first samples alone."""
    with ShardWriter(into / f"first{count}") as writer:
        for sample in read_samples(folder / "samples", 0, count):
            writer.add(sample)
    return into / f"first{count}"


def converter(folder: str, count: str) -> float:
    """Return the seconds of a sample: all of a calibration, less one with a single sample."""
    from toolkit.converters import tflite

    def calibrate(samples: Path) -> None:
        tflite.calibrate(Request({}, {"model": Path(folder) / "saved_model", "calibration": samples}, samples))

    with tempfile.TemporaryDirectory() as work:
        one, many = first(Path(folder), 1, Path(work)), first(Path(folder), int(count), Path(work))
        calibrate(one)  # the first conversion sets much up
        few, all_of_them = cpu_seconds(lambda: calibrate(one)), cpu_seconds(lambda: calibrate(many))
    return (all_of_them - few) / (int(count) - 1)


def ours(folder: str, count: str) -> dict[str, float]:
    """Return the seconds of a sample of each, the least of five turns."""
    from toolkit.runtimes import litert

    samples = list(read_samples(Path(folder) / "samples", 0, int(count)))
    loaded = litert.load(Path(folder) / "model.tflite", OPTIONS)
    least = {"bare": float("inf"), "min_max": float("inf"), "histograms": float("inf")}
    with tempfile.TemporaryDirectory() as work:
        one, many = first(Path(folder), 1, Path(work)), first(Path(folder), int(count), Path(work))
        for _ in range(5):
            bare = cpu_seconds(lambda: [loaded.call(sample) for sample in samples]) / len(samples)
            least["bare"] = min(least["bare"], bare)
            for name in ("min_max", "histograms"):
                few, all_of_them = (
                    cpu_seconds(lambda: gather(Path(folder), each, histograms=name == "histograms"))  # noqa: B023 (called at once)
                    for each in (one, many)
                )
                least[name] = min(least[name], (all_of_them - few) / (len(samples) - 1))
    return least


def gather(folder: Path, samples: Path, *, histograms: bool, part: int = 0, parts: int = 1) -> dict[str, Any]:
    """Do the job that a build does, and return its result."""
    from toolkit.worker import calibration

    options = {"runtime": "litert", "histograms": histograms, "part": part, "parts": parts}
    with tempfile.TemporaryDirectory() as out:
        return calibration.gather(Request(options, {"model": folder / "model.tflite", "samples": samples}, Path(out)))


def part(folder: str, number: str, parts: str) -> int:
    """Return how many samples it saw."""
    from toolkit.runtimes import litert

    litert.load(Path(folder) / "model.tflite", OPTIONS)
    print("ready", flush=True)
    sys.stdin.readline()
    seen = gather(Path(folder), Path(folder) / "samples", histograms=True, part=int(number), parts=int(parts))
    return int(seen["samples"])


def memory(folder: str) -> int:
    """Return the peak of this process's resident memory."""
    gather(Path(folder), Path(folder) / "samples", histograms=True)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    verbs = {"prepare": prepare, "converter": converter, "ours": ours, "part": part, "memory": memory}
    found = verbs[verb](*arguments)  # type: ignore[operator]
    print(json.dumps(found))

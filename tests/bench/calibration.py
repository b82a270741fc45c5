"""Measure calibration against bare inference, per sample; exit with 1 where a limit is missed.

    python calibration.py [--rounds 2] [--json FILE]

The networks: MobileNetV2 for 96 and 224 pixels (untrained, its BatchNorm has seen images), and ResNet8 from ../shared/models, or an untrained one
of its shape. Setting up is no part of a time: it is that of many samples less that of few. All on one core, but for "two cores". A ratio is that of
medians. The converter's own calibration is timed too, and has no limit: bare inference takes more than a tenth of its time.

    python calibration.py network FOLDER SIZE|H5        where TensorFlow is: FOLDER/saved_model, model.tflite, samples.npz
    python calibration.py converter FOLDER              where TensorFlow is: prints milliseconds of a sample
    python calibration.py toolkit FOLDER                where LiteRT is: prints milliseconds of a sample, by kind
    python calibration.py peak FOLDER COUNT             where LiteRT is: prints the process's peak of resident bytes
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESNET8 = ROOT.parent / "shared" / "models" / "resnet8" / "pretrainedResnet.h5"
FEW, MANY = 8, 108  # samples
LONG_MS = 3000  # what is dealt to two cores takes so long on one
TURNS = 3
PEAKS = (200, 2000)  # samples, of several shards both
KINDS = {"extremes": False, "histograms": True}


def network(folder: Path, what: str) -> None:
    """Write a network as a SavedModel and as the toolkit's float artifact, and samples for it."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import mobilenet

    from toolkit.conversion.converters import tflite
    from toolkit.wire.request import Request

    if what.isdigit():
        mobilenet.write(folder, int(what))
    else:
        _write_resnet8(folder, Path(what), mobilenet.images(MANY, 32))
    tflite.convert(Request({}, {"model": folder / "saved_model"}, folder))


def _write_resnet8(folder: Path, weights: Path, images: np.ndarray) -> None:
    import tensorflow as tf

    keras: Any = importlib.import_module("tf_keras")
    if weights.is_file():
        model = keras.models.load_model(weights, compile=False)
    else:
        keras.utils.set_random_seed(0)
        model = _resnet8()
        for _ in range(6):
            model(images, training=True)
    call = tf.function(lambda image: {"scores": model(image)})
    taken = call.get_concrete_function(tf.TensorSpec((1, 32, 32, 3), tf.float32, "image"))
    tf.saved_model.save(model, str(folder / "saved_model"), {"serving_default": taken})
    np.savez(folder / "samples.npz", image=(images + 1) * 127.5)


def _resnet8() -> Any:
    """Return a network of ResNet8's shape (MLPerf Tiny): three residual blocks of 16, 32 and 64 channels."""
    keras: Any = importlib.import_module("tf_keras")
    layers = keras.layers

    def normalized(x: Any, channels: int, size: int, stride: int) -> Any:
        return layers.BatchNormalization(momentum=0.5)(layers.Conv2D(channels, size, stride, "same")(x))

    image = layers.Input((32, 32, 3))
    x = layers.ReLU()(normalized(image, 16, 3, 1))
    for channels in (16, 32, 64):
        stride = 1 if channels == 16 else 2
        branch = normalized(layers.ReLU()(normalized(x, channels, 3, stride)), channels, 3, 1)
        x = layers.ReLU()(layers.Add()([branch, x if stride == 1 else layers.Conv2D(channels, 1, 2, "same")(x)]))
    return keras.Model(image, layers.Dense(10, "softmax")(layers.GlobalAveragePooling2D()(x)))


def _one_core() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _slope_ms(run: Callable[[int], None]) -> float:
    """Return the milliseconds of a sample, of `run(count)`: of the processor's time, which on one core is that of the clock if nothing else runs."""
    seconds = []
    for count in (FEW, MANY):
        began = time.process_time()
        run(count)
        seconds.append(time.process_time() - began)
    return (seconds[1] - seconds[0]) * 1e3 / (MANY - FEW)


def converter(folder: Path) -> None:
    """Time the calibration that TensorFlow's converter does between converting and quantizing."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    _one_core()
    samples = np.load(folder / "samples.npz")["image"]
    content = (folder / "model.tflite").read_bytes()

    def run(count: int) -> None:
        Calibrator(content).calibrate(lambda: ([samples[index % len(samples)][None]] for index in range(count)))

    print(json.dumps([_slope_ms(run) for _ in range(TURNS)]))


def toolkit_(folder: Path) -> None:
    """Time bare inference and both kinds of statistics on one core, in turns, and then those on two cores."""
    from toolkit.execution.runtimes import litert

    loaded = litert.load(folder / "model.tflite", {"threads": 1, "kernels": "default", "signature": None})
    images = np.load(folder / "samples.npz")["image"]
    everywhere = os.sched_getaffinity(0)
    _one_core()

    def bare(count: int) -> None:
        for index in range(count):
            loaded.call({"image": images[index % len(images)][None]})

    found: dict[str, list[float]] = {"bare": [], **{kind: [] for kind in KINDS}}
    shards = {count: _shards(folder, count) for count in (FEW, MANY)}
    for _ in range(TURNS):
        found["bare"].append(_slope_ms(bare))
        for kind, histograms in KINDS.items():
            found[kind].append(_slope_ms(functools.partial(_gathered, folder, shards, histograms)))
    os.sched_setaffinity(0, everywhere)
    long = _shards(folder, max(MANY, int(LONG_MS / statistics.median(found["extremes"]))))
    for parts in (1, 2):
        found[f"cores {parts}"] = [_together(folder, long, parts) for _ in range(TURNS)]
    print(json.dumps(found))


def _gathered(folder: Path, shards: dict[int, Path], histograms: bool, count: int) -> None:  # noqa: FBT001 (bound by partial)
    _gather(folder, shards[count], histograms=histograms)


def _gather(folder: Path, samples: Path, part: int = 0, parts: int = 1, *, histograms: bool) -> None:
    from toolkit.conversion.calibrate import gather
    from toolkit.wire.request import Request

    options = {"runtime": "litert", "histograms": histograms, "part": part, "parts": parts}
    with tempfile.TemporaryDirectory(dir=folder) as out:
        gather(Request(options, {"model": folder / "model.tflite", "samples": samples}, Path(out)))


def _together(folder: Path, samples: Path, parts: int) -> float:
    """Return the milliseconds until as many processes, each with its part of the samples, are through."""
    began = time.perf_counter()
    children = []
    for part in range(parts):
        child = os.fork()
        if child == 0:
            try:
                os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[part]})
                _gather(folder, samples, part, parts, histograms=False)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit("bench: a part of a calibration failed")
    return (time.perf_counter() - began) * 1e3


def _shards(folder: Path, count: int) -> Path:
    from toolkit.wire.shards import ShardWriter

    images, shards = np.load(folder / "samples.npz")["image"], folder / f"samples{count}"
    if not shards.exists():
        with ShardWriter(shards) as writer:
            for index in range(count):
                writer.add({"image": images[index % len(images)][None].astype(np.float32)})
    return shards


def peak(folder: Path, count: str) -> None:
    """Gather histograms over that many samples, and print the most that the process had resident."""
    _gather(folder, folder / f"samples{count}", histograms=True)
    lines = Path("/proc/self/status").read_text().splitlines()
    print(1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1]))


def say_of(python: Path, *words: object) -> Any:
    """Return the JSON that a verb of this script prints last, in another interpreter."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    variables = kept | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OPENBLAS_NUM_THREADS": "1"}
    command = [str(python), str(HERE / "calibration.py"), *map(str, words)]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)}: exit status {ended.returncode}\n{ended.stderr[-4000:]}")
    return json.loads(ended.stdout.splitlines()[-1]) if ended.stdout.strip() else None


def limits(name: str, times: dict[str, list[float]]) -> list[Any]:
    """Return what a network's times are measured by."""
    import bench

    middle = {kind: statistics.median(each) for kind, each in times.items()}
    measured, bare = bench.Measured, middle["bare"]
    return [
        measured(f"{name}, extremes", middle["extremes"] / bare, 1.25, "x", "bare inference"),
        measured(f"{name}, histograms", middle["histograms"] / bare, 2.0, "x", "bare inference"),
        measured(f"{name}, two cores", middle["cores 2"] / middle["cores 1"], 1 / 1.7, "x", "one core"),
    ]


def measure(rounds: int, work: Path) -> tuple[dict[str, dict[str, list[float]]], list[Any]]:
    """Return milliseconds by network and kind, and all values with their limits."""
    import bench

    from toolkit.environments import resolve
    from toolkit.settings import Settings, default_home

    settings = Settings(home=default_home(), offline=True)
    tensorflow, litert = (resolve(name, settings=settings).python for name in ("tensorflow", "litert"))
    networks = {"MobileNetV2 96": "96", "MobileNetV2 224": "224", "ResNet8": str(RESNET8)}
    times: dict[str, dict[str, list[float]]] = {}
    for name, what in networks.items():
        bench.say(f"{name}{'' if what.isdigit() or RESNET8.is_file() else ' (untrained: no weights at hand)'}")
        folder = work / name.replace(" ", "")
        folder.mkdir()
        say_of(tensorflow, "network", folder, what)
        found = times.setdefault(name, {})
        for _ in range(rounds):
            for kind, milliseconds in say_of(litert, "toolkit", folder).items():
                found.setdefault(kind, []).extend(milliseconds)
            found.setdefault("converter", []).extend(say_of(tensorflow, "converter", folder))
    values = [value for name, each in times.items() for value in limits(name, each)]
    return times, [*values, memory(work / "MobileNetV296", litert)]


def memory(folder: Path, litert: Path) -> Any:
    """Return how much more memory ten times as many samples take."""
    import bench

    peaks = []
    for count in PEAKS:
        _shards(folder, count)
        peaks.append(say_of(litert, "peak", folder, count))
    return bench.Measured(
        "peak memory", (peaks[1] - peaks[0]) / 1e6, 5.0, "MB", f"more for {PEAKS[1]} samples than for {PEAKS[0]}"
    )


def main() -> int:
    """Measure, print, and return 0 if every limit is met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as work:
        times, values = measure(asked.rounds, Path(work))
    print(f"{'milliseconds':32}{'median':>9}{'least':>9}{'most':>9}")
    for name, kinds in times.items():
        for kind, each in kinds.items():
            numbers = (statistics.median(each), min(each), max(each))
            print(f"{f'{name}, {kind}':32}" + "".join(f"{number:9.2f}" for number in numbers))
    print(f"\n{'measured':32}{'value':>9}{'limit':>9}")
    for value in values:
        verdict = "met   " if value.met else "MISSED"
        print(f"{value.what:32}{value.value:9.3g}{value.limit:9.3g}  {value.unit:3}{verdict}  {value.of}")
    if asked.json:
        measured = [{**asdict(value), "met": value.met} for value in values]
        asked.json.write_text(json.dumps({"measured": measured, "milliseconds": times}, indent=2) + "\n")
    return 0 if all(value.met for value in values) else 1


if __name__ == "__main__":
    verbs = {"network": network, "converter": converter, "toolkit": toolkit_, "peak": peak}
    if len(sys.argv) > 2 and sys.argv[1] in verbs:
        verbs[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])  # type: ignore[operator]
    else:
        sys.exit(main())

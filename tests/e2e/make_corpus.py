"""Write the networks of the corpus with their samples, their healthy and their broken files, and what all of these answer.

    python make_corpus.py FOLDER [NETWORK...]       with the interpreter of the tensorflow environment

FOLDER/NETWORK/: model/, calibration.npz, evaluation.npz, control.tflite, BREAKAGE.tflite, answers.npz. All are made in one process, because
importing TensorFlow takes longer than most of this.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "corpus"))
from networks import Network, answers_of, converted, save
from table import BREAKAGES, NETWORKS, PLACES
from wrong import broken

HEALTHY = "control"


def answers(network: Network) -> dict[str, np.ndarray]:
    """Return what the original answers to what judges, and what is true, and of an embedding what calibrates too."""
    import tensorflow as tf

    def of(samples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        inputs = {name: tf.constant(values) for name, values in samples.items()}
        return {name: values.numpy() for name, values in network.answer(network.weights, inputs).items()}

    found = {f"original/{name}": values for name, values in of(network.evaluation).items()}
    found |= {f"truth/{name}": values for name, values in network.truth.items()}
    return found | {f"gallery/{name}": values for name, values in of(network.calibration).items() if name == "vector"}


def make(folder: Path, name: str) -> None:
    """Write one network."""
    (place,) = (module for module, names in PLACES.items() if name in names)
    network = getattr(importlib.import_module(place), name)()
    folder.mkdir(parents=True)
    save(network, folder)
    control = converted(network, network.scheme)
    files = {HEALTHY: control}
    for key, each in BREAKAGES.items():
        if each.network == name:
            try:
                files[key] = broken(network, control, each.how, dict(each.given))
            except Exception as error:
                raise RuntimeError(f"{key}: {error}") from error
    held = answers(network)
    for key, file in files.items():
        (folder / f"{key}.tflite").write_bytes(file)
        held |= {f"{key}/{output}": values for output, values in answers_of(file, network.evaluation).items()}
    np.savez(folder / "answers.npz", **held)


if __name__ == "__main__":
    for wanted in sys.argv[2:] or NETWORKS:
        make(Path(sys.argv[1]) / wanted, wanted)

"""ONNX Runtime's own calibration, for comparison with the toolkit's: the minimum and maximum of each tensor over a set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.wire.shards import read_index, read_samples


def own_ranges(model: Path, samples: Path) -> dict[str, list[float]]:
    """Return {tensor: [low, high]} of a float model from ONNX Runtime's MinMaxCalibrater; InvalidSamples for an empty set."""
    from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

    if read_index(samples)["count"] == 0:
        raise InvalidSamples("calibration: no sample, so no activation has a range")
    with tempfile.TemporaryDirectory() as folder:
        calibrator = create_calibrator(
            model,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Reader(samples))
        found = calibrator.compute_data()
    return {name: [float(value.item()) for value in data.range_value] for name, data in found.items()}


class _Reader:
    """Samples one by one, with the interface of ONNX Runtime's CalibrationDataReader: None after the last."""

    def __init__(self, samples: Path) -> None:
        self._left: Iterator[dict[str, np.ndarray]] = read_samples(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next sample."""
        return next(self._left, None)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        return next(self._left)

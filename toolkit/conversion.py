"""From the canonical model to an artifact of a target's format, by one of the schemes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import registry
from toolkit.errors import InvalidSamples
from toolkit.jobs import Job, Output
from toolkit.source import TENSORFLOW
from toolkit.store import Entry

WHERE_SAMPLES_COME_FROM = (
    "write calibration/mine.toml and give --calibration calibration/mine.toml:\n"
    "          [reader]\n"
    '          kind = "arrays"          # or "images", "python"\n'
    '          path = "samples.npz"     # arrays by input name, one row per sample'
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A converted file, and what was found in it: signature (JSON, with scale and zero point), operators, dtypes, findings."""

    path: Path
    scheme: str
    size_bytes: int
    sha256: str
    signature: Mapping[str, Any]
    operators: tuple[Mapping[str, Any], ...]
    findings: tuple[Mapping[str, Any], ...]


def is_calibrated(scheme: str) -> bool:
    """Return whether a scheme needs a calibration set; raise UnknownName for one that is not there."""
    return bool(registry.load("schemes", scheme).CALIBRATED)


def convert_job(
    canonical: Output,
    calibration: Output | None,
    scheme: str,
    io: Mapping[str, str],
    converter: str = "tflite",
) -> Job:
    """Return the job that writes the artifact; `io` holds the dtypes of `inputs` and `outputs`."""
    inputs = {"model": canonical}
    if is_calibrated(scheme):
        if calibration is None:
            raise InvalidSamples(
                f"scheme {scheme}: needs a calibration set, and none was given", WHERE_SAMPLES_COME_FROM
            )
        inputs["calibration"] = calibration
    return Job(
        f"{converter} {scheme}",
        f"converters.{converter}",
        "convert",
        TENSORFLOW,
        options={"scheme": scheme, **io},
        inputs=inputs,
        plugins=(f"schemes.{scheme}",),
    )


def artifact_of(entry: Entry, scheme: str) -> Artifact:
    """Return the artifact that a finished conversion wrote."""
    result = entry.result
    return Artifact(
        path=entry.out / result["file"],
        scheme=scheme,
        size_bytes=result["size_bytes"],
        sha256=result["sha256"],
        signature=result["signature"],
        operators=tuple(result["operators"]),
        findings=tuple(result["findings"]),
    )

"""What a TFLite runtime's message about a model of one operator means."""

from __future__ import annotations

import re

# Kernels name what they refuse: "Type BOOL is unsupported", "input->type != kTfLiteFloat32", "is_supported_type was not true".
_DTYPES = re.compile(r"(?i)type|kTfLite(?:Float|U?Int|BFloat|Bool)|only supports? |only supported ")
# These are about the model or about Python's interface, not about kernels: a delegate that stumbles, an array that cannot be fed.
_OTHERS = re.compile(
    r"Delegate|XNNPACK|Invalid data-type for array|Cannot set tensor|optional|optimized_ops|data type '\w+' not understood"
)
_AROUND = re.compile(
    r"^\w+: |Error: the engine went on after an error; |;? ?ERROR: (?:\[[^\]]*\][^;]*)?"
    r"|[\w/.]*lite/kernels/[\w/.]+:\d+ |Node number \d+ \(\w+\) failed to \w+\.|Failed to apply the default .*$|tensorflow/lite/"
    r"|TFLM failed to allocate tensors: |Interpreter invocation failed\.: |micro/kernels/[\w/.]+:\d+ "
    r"|; Node \w+ \(number \d+\) failed to \w+ with status \d+"
)
_CUSTOM = re.compile(r"unresolved custom op|Select TensorFlow op|Failed to get registration from op code CUSTOM")
_BUILTIN = re.compile(r"[Dd]idn't find op for builtin opcode|Failed to get registration from op code")


def about_dtypes(said: str) -> str | None:
    """Return in short why a kernel refuses the dtypes of a model, None for a message about something else."""
    short = " ".join(_AROUND.sub(" ", said).split()).rstrip(".")
    kernel = said.partition("Failed to apply the default")[0]
    return short if _DTYPES.search(short) and not _OTHERS.search(kernel) else None


def lacks_operator(said: str) -> bool:
    """Return whether a runtime says that it does not have a builtin operator; what else it says is about the model."""
    return _BUILTIN.search(said) is not None


def lacks_custom(said: str) -> bool:
    """Return whether a runtime says that it does not have a custom operator; what else it says is about the model."""
    return _CUSTOM.search(said) is not None

"""Custom operators of TFLite's own runtimes, by name: an artifact that needs one is run and not refused.

tensorflow/lite/core/kernels/register.cc registers them beside the builtin operators, in LiteRT and in tflite-runtime; TensorFlow lacks them.
"""

BUILT_IN = frozenset({"TFLite_Detection_PostProcess", "NumericVerify"})
"""Custom operators that TensorFlow lacks. The runtimes also have Mfcc and AudioSpectrogram, as does TensorFlow."""

IN_RUNTIMES = BUILT_IN | {"Mfcc", "AudioSpectrogram"}
"""All custom operators of the runtimes."""

"""Custom operators of TFLite's own runtimes: known by name, so that an artifact which needs one is run and not refused.

tensorflow/lite/core/kernels/register.cc registers these beside the builtin ones, in LiteRT as in tflite-runtime; TensorFlow itself has none of them.
"""

BUILT_IN = frozenset({"TFLite_Detection_PostProcess", "NumericVerify"})
"""By the name of the custom operator. Mfcc and AudioSpectrogram, which are there too, TensorFlow has as well."""

IN_RUNTIMES = BUILT_IN | {"Mfcc", "AudioSpectrogram"}
"""All that the runtimes bring along."""

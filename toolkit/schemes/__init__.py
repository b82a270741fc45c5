"""Quantization schemes, one file each, named as the field does: `static_wi8_ai8` is weights int8, activations int8, scales fixed beforehand.

A scheme is a module with

    WEIGHTS                                 the dtype that its weights must be found to have, some of them at least
    CALIBRATED                              whether it needs a calibration set
    INTEGER                                 whether activations are integers, so that a float operator left over is worth a finding
    INPUT_DTYPES                            dtypes that the model's inputs and outputs may be asked to have
    configure(converter, representative)    sets a `tf.lite.TFLiteConverter` up; `representative` is None for one that is not calibrated
"""

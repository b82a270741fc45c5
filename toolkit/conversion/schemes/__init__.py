"""Quantization schemes, one file each, with the usual names: `static_wi8_ai8` is weights int8, activations int8, scales fixed beforehand.

A scheme is a module with

    WEIGHTS         the dtype of the file's weights; at least some of them must have it
    ACTIVATIONS     the dtype of operators' results in the file: "float32", unless activations are integers
    CALIBRATED      whether it needs a calibration set
    INPUT_DTYPES    dtypes that may be requested for the model's inputs and outputs
    QUANTIZERS      {file of toolkit/conversion/quantizers: its settings for this scheme (JSON)}; among equal results the first wins;
                    {} if the float artifact is the result
    WITHIN_16_BITS  optional: {quantizer: {name of a variant: its settings}}, variants for processors that add products of 8-bit integers
                    in 16 bits (toolkit/environments/instructions.py); there they replace the others
    BY_MOMENTS      optional: {quantizer: {name of a variant: its settings}}, variants that need the moments of activations, whatever CALIBRATED
                    says; where there is a calibration set they are tried beside the others
"""

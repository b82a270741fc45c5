"""Quantization schemes, one file each, named as the field does: `static_wi8_ai8` is weights int8, activations int8, scales fixed beforehand.

A scheme is a module with

    WEIGHTS         the dtype that its weights must be found to have, some of them at least
    ACTIVATIONS     the dtype that operators must be found to give: "float32", unless activations are integers
    CALIBRATED      whether it needs a calibration set
    INPUT_DTYPES    dtypes that the model's inputs and outputs may be asked to have
    QUANTIZERS      {file of toolkit/conversion/quantizers: what it is told for this scheme (JSON)}, those first that are to be preferred among
                    equals; none where the float artifact is what is wanted
    WITHIN_16_BITS  only where it has any: {quantizer: {name of a variant: what it is told instead}}, variants that hold on processors which add
                    products of 8-bit integers in 16 bits (toolkit/environments/instructions.py); there they take the place of the others
"""

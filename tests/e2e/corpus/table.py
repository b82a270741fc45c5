"""The table of the corpus: what is broken of which network, and what must be said of it; written down before anything was judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PLACES = {
    "digits": ("digits", "labels", "catalog", "embedding", "autoencoder"),
    "scenes": ("segments", "score_map", "boxes", "anchored", "detections", "landmarks", "enlarged"),
    "tables": ("kelvin", "kelvin_of_sensors", "channels", "four_kinds", "chance", "yes_or_no", "rare", "ratings"),
    "times": ("movements", "forecast", "recurrent", "sounds", "words"),
}
NETWORKS = tuple(name for names in PLACES.values() for name in names)


@dataclass(frozen=True)
class Breakage:
    """A function of wrong.py with its arguments; whether it does harm (harm.py), and what the verdict must be."""

    network: str
    what: str
    how: str
    given: Mapping[str, Any] = field(default_factory=dict)
    harmful: bool = True
    verdict: tuple[str, ...] = ("failed",)
    looks: str | None = None  # what it must be called, where that is certain


EXCHANGED = [1, 0, *range(2, 32)]
TENTH = {"factor": 0.1}
ANY = ("passed", "failed", "inconclusive")
HARMLESS, OTHER = "harmless", "other"
LOOKS = {
    "kelvin-offset": "offset",
    "kelvin-celsius": "offset",
    "kelvin-slope": "slope",
    "digits-four-five": "classes-permuted",
    "labels-eight-as-nine": "class-answered-as-another",
    "catalog-off-by-one": "offset",
    "digits-early": "other-weights",
    "digits-high-bit": "other-weights",
    "digits-last-bias-dropped": "other-weights",
}


def _of(network: str, **breakages: tuple[Any, ...]) -> dict[str, Breakage]:
    """Return breakages of a network: (what, how, arguments), and HARMLESS where nothing that is measured gets worse.

    Whatever is said of a harmless one, it is no false pass. OTHER is harmless too, and must fail all the same: it is not this model any more.
    """
    made = {}
    for name, (what, how, given, *more) in breakages.items():
        key = f"{network}-{name}".replace("_", "-").rstrip("-")
        made[key] = Breakage(
            network, what, how, given, not more, ANY if HARMLESS in more else ("failed",), LOOKS.get(key)
        )
    return made


def _edit(how: str, kind: str, number: int) -> tuple[str, dict[str, Any]]:
    """Return what changes one operator of the healthy file, by a function of break_artifacts.py."""
    return "edited", {"how": how, "kind": kind, "number": number}


BREAKAGES: dict[str, Breakage] = {
    **_of(
        "digits",
        early=("the weights of an earlier epoch", "early", {}),
        high_bit=("the highest bit of the largest weight of the second layer is flipped", *_edit("bit_flipped", "CONV_2D", 1), OTHER),
        bias_dropped=("the second layer has no bias", *_edit("bias_dropped", "CONV_2D", 1)),
        last_bias_dropped=("the last layer has no bias", *_edit("bias_dropped", "FULLY_CONNECTED", 0), OTHER),
        channel_zeroed=("one channel of the second layer is 0", *_edit("channel_zeroed", "CONV_2D", 1), OTHER),
        channels_exchanged=("two channels of the second layer are exchanged", "reordered", {"name": "kernel2", "order": EXCHANGED}, OTHER),
        low_bits=("weights have lost the lower 4 of their 8 bits", "edited", {"how": "low_bits_lost", "kind": "CONV_2D"}),
        variances=("batch normalizations are folded by variances, not deviations", "variances_squared", {}),
        one_scale=("weights of all channels are read by their mean scale", *_edit("scales_averaged", "CONV_2D", 1), OTHER),
        range_halved=("the first layer's range is halved", *_edit("range_halved", "CONV_2D", 0), HARMLESS),
        eight_as_nine=("every 8 is called a 9", "ordered", {"output": "scores", "order": [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]}),
        four_five=("4 and 5 are exchanged", "ordered", {"output": "scores", "order": [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]}),
        half_input=("the network sees half of each grey level", "input_moved", {"name": "image", "factor": 0.5}),
        input_0_9=("the network sees 0.9 of each grey level", "input_moved", {"name": "image", "factor": 0.9}, HARMLESS),
        tenth=("it was calibrated on a tenth of the range", "calibrated_on", TENTH),
        third=("it was calibrated on a third of the range", "calibrated_on", {"factor": 0.33}),
        uint8=("uint8 is fed where int8 is meant", "edited", {"how": "input_moved", "by": 128}),
        relu6=("ReLU6 for ReLU", "without", {"way": "relu6"}, HARMLESS),
        maximum=("the pool takes the maximum for the mean", "without", {"way": "maximum"}, HARMLESS),
        padding=("a stride of 2 is padded before, not behind", "without", {"way": "padded before"}),
        one_nan=("NaN for one sample of 300", "one_sample", {"nan": True}, OTHER),
        one_wrong=("one sample of 300 is wrong by 1", "one_sample", {"nan": False}, OTHER),
    ),
    **_of(
        "labels",
        early=("the weights of an earlier epoch", "early", {}),
        eight_as_nine=("every 8 is called a 9", "instead", {"output": "digit", "numbers": [0, 1, 2, 3, 4, 5, 6, 7, 9, 9]}),
        four_five=("4 and 5 are exchanged", "instead", {"output": "digit", "numbers": [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]}),
        off_by_one=("every number is one too large", "instead", {"output": "digit", "numbers": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}),
    ),
    **_of(
        "catalog",
        off_by_one=("every number is one too large", "instead", {"output": "id", "numbers": [*range(101, 111)], "first": 100}),
        bare=("classes for catalog numbers", "instead", {"output": "id", "numbers": [*range(10)], "first": 100}),
        two_exchanged=("two numbers are exchanged", "instead", {"output": "id", "numbers": [101, 100, *range(102, 110)], "first": 100}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "embedding",
        permuted=("the dimensions have another order", "ordered", {"output": "vector", "order": [*range(8, 16), *range(8)]}),
        reversed_=("two dimensions in sixteen are exchanged", "ordered", {"output": "vector", "order": [1, 0, *range(2, 16)]}),
        collapsed=("vectors are nearly all the same", "collapsed", {"output": "vector", "share": 0.1}),
        half=("half of the dimensions have the other sign", "moved", {"output": "vector", "factor": [1.0] * 8 + [-1.0] * 8}),
        early=("the weights of an earlier epoch", "early", {}),
        constant=("one dimension in sixteen is 0", "moved", {"output": "vector", "factor": [0.0] + [1.0] * 15}, OTHER),
    ),
    **_of(
        "autoencoder",
        early=("the weights of an earlier epoch", "early", {}),
        code_lost=("one of sixteen numbers between the halves is lost", "reweighted", {"name": "out1", "at": 0, "axis": 0}),
        grey=("contrast is 0.6 of what it was", "moved", {"output": "pixels", "factor": 0.6, "about": 0.3}),
        rolled=("rows are one too low", "rolled", {"output": "pixels", "by": 8, "axis": 1}),
        tenth=("it was calibrated on a tenth of the range", "calibrated_on", TENTH),
    ),
    **_of(
        "segments",
        class_lost=("one class in three is called background", "instead", {"output": "classes", "numbers": [0, 1, 0]}),
        classes_exchanged=("two classes are exchanged", "instead", {"output": "classes", "numbers": [0, 2, 1]}),
        shifted=("the map is one pixel too low", "rolled", {"output": "classes", "by": 1, "axis": 1}),
        aligned=("the resize aligns corners", "without", {"way": "aligned"}, HARMLESS),
        early=("the weights of an earlier epoch", "early", {}),
        tenth=("it was calibrated on a tenth of the range", "calibrated_on", TENTH),
    ),
    **_of(
        "score_map",
        class_lost=("one class in three is called background", "moved", {"output": "scores", "factor": [1, 1, 0.02]}),
        shifted=("the map is one pixel too far right", "rolled", {"output": "scores", "by": 1, "axis": 2}),
        aligned=("the resize aligns corners", "without", {"way": "aligned"}, HARMLESS),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "boxes",
        shifted=("boxes are 2 pixels too low", "moved", {"output": "boxes", "by": [2, 0, 2, 0]}),
        ninety=("boxes are 0.9 of what they were", "moved", {"output": "boxes", "factor": 0.9}),
        small=("boxes are a quarter too small", "shrunk", {"output": "boxes", "factor": 0.75}),
        exchanged=("x and y are exchanged", "ordered", {"output": "boxes", "order": [1, 0, 3, 2]}),
        one_edge=("one edge is always the same", "constant", {"output": "boxes", "channel": 2}),
        scores=("the two kinds are exchanged", "ordered", {"output": "scores", "order": [1, 0]}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "anchored",
        anchors_off=("one anchor is moved by 2 pixels", "moved", {"output": "anchors", "by": [[0, 0], [0, 2], [0, 0], [0, 0]]}, OTHER),
        anchors_nearly=("anchors are off by a hundredth of a pixel", "moved", {"output": "anchors", "by": 0.01}, OTHER),
        shifted=("boxes are 2 pixels too low", "moved", {"output": "box", "by": [2, 0, 2, 0]}),
        constant=("the box is always the same too", "moved", {"output": "box", "factor": 0.0, "by": [6, 6, 18, 18]}),
    ),
    **_of(
        "detections",
        shifted=("boxes are 2 pixels too low", "moved", {"output": "detections", "by": [2, 0, 2, 0, 0, 0]}),
        ninety=("boxes are 0.9 of what they were", "moved", {"output": "detections", "factor": [0.9] * 4 + [1, 1]}),
        scores_exchanged=("the two scores are exchanged", "ordered", {"output": "detections", "order": [0, 1, 2, 3, 5, 4]}),
        score_constant=("one score is always 0", "moved", {"output": "detections", "factor": [1, 1, 1, 1, 0, 1]}),
        one_scale=("scores are rounded to a grid that boxes of 400 pixels ask for", "rounded", {"output": "detections", "step": 400 / 255}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "landmarks",
        one_constant=("one of ten numbers is always its mean", "constant", {"output": "points", "channel": 3}),
        exchanged=("x and y are exchanged", "ordered", {"output": "points", "order": [1, 0, 3, 2, 5, 4, 7, 6, 9, 8]}),
        points=("two points are exchanged", "ordered", {"output": "points", "order": [2, 3, 0, 1, 4, 5, 6, 7, 8, 9]}),
        shifted=("all points are 1 pixel too far right", "moved", {"output": "points", "by": [1, 0] * 5}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "enlarged",
        order=("rows and columns of each block of four are exchanged", "channels_before", {"order": [0, 2, 1, 3]}),
        bright=("pictures are 0.8 as bright", "moved", {"output": "picture", "factor": 0.8}),
        shifted=("pictures are one pixel too far right", "rolled", {"output": "picture", "by": 1, "axis": 2}),
        early=("the weights of an earlier epoch", "early", {}),
        tenth=("it was calibrated on a tenth of the range", "calibrated_on", TENTH),
    ),
    **_of(
        "kelvin",
        offset=("temperatures are 3 K too high", "moved", {"output": "kelvin", "by": 3.0}),
        flat=("temperatures hardly vary: slope 0.05", "moved", {"output": "kelvin", "factor": 0.05, "about": 285.0}),
        constant=("always the mean", "constant", {"output": "kelvin", "channel": 0}),
        celsius=("degrees Celsius for kelvin", "moved", {"output": "kelvin", "by": -273.15}),
        early=("the weights of an earlier epoch", "early", {}),
        slope=("differences are 0.8 of what they were", "moved", {"output": "kelvin", "factor": 0.8, "about": 285.0}),
        one_nan=("NaN for one sample of 300", "one_sample", {"nan": True}),
        bias=("the bias of the second layer is dropped", "replaced", {"b2": 0.0}),
        row_zeroed=("one of six inputs is not read", "reweighted", {"name": "in", "at": 3, "axis": 0}),
        exchanged=("two columns are exchanged", "input_ordered", {"name": "row", "order": [1, 0, 2, 3, 4, 5]}),
        tenth=("it was calibrated on a tenth of the range", "calibrated_on", TENTH),
    ),
    **_of(
        "kelvin_of_sensors",
        int8=("int8: one scale for sensors in hPa and sensors from 0 to 1", "as_scheme", {"scheme": "static_wi8_ai8"}),
        offset=("temperatures are 3 K too high, in float16", "moved", {"output": "kelvin", "by": 3.0}),
    ),
    **_of(
        "channels",
        int8=("int8: one scale for a share and a pressure", "as_scheme", {"scheme": "static_wi8_ai8"}),
        share_constant=("the share is always its mean", "constant", {"output": "channels", "channel": 0}),
        speed_constant=("the speed is always its mean", "constant", {"output": "channels", "channel": 2}),
        share_off=("the share is 0.1 too high", "moved", {"output": "channels", "by": [0.1, 0, 0, 0]}),
        early=("the weights of an earlier epoch", "early", {}),
        exchanged=("percentage and speed are exchanged", "ordered", {"output": "channels", "order": [0, 2, 1, 3]}),
    ),
    **_of(
        "four_kinds",
        inputs=("two inputs are taken for each other", "inputs_exchanged", {"one": "length_mm", "other": "age_days"}),
        grams=("kilograms are fed for grams", "input_moved", {"name": "mass_g", "factor": 0.001}),
        early=("the weights of an earlier epoch", "early", {}),
        classes=("two classes are exchanged", "ordered", {"output": "scores", "order": [0, 2, 1, 3]}),
        bias=("the last layer has no bias", "replaced", {"b3": 0.0}, OTHER),
    ),
    **_of(
        "chance",
        low=("chances are 0.4 of what they were", "moved", {"output": "probability", "factor": 0.4}),
        threshold=("the last bias is off: yes comes too late", "shifted_bias", {"name": "b3", "by": -2.5}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "yes_or_no",
        never=("always no", "never", {"output": "yes"}),
        denied=("no for yes", "denied", {"output": "yes"}),
        threshold=("the last bias is off: yes comes too late", "shifted_bias", {"name": "b3", "by": -2.5}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "rare",
        low=("scores of the rare class are 0.4 of what they were", "moved", {"output": "scores", "factor": [1, 0.4]}),
        never=("the rare class is never found", "moved", {"output": "scores", "factor": [1, 0]}),
        bias=("the rare class's bias is off", "shifted_bias", {"name": "b3", "by": [0, -6]}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "ratings",
        shifted=("the items' table is shifted by a row", "ids_moved", {"name": "item", "size": 40}),
        row=("a row of the items' table is 0", "reweighted", {"name": "items", "at": 7, "axis": 0}, OTHER),
        ten_rows=("ten rows of the users' table are 0", "zeroed_rows", {"name": "users", "rows": 10}),
        bias=("items have no bias", "replaced", {"item_bias": 0.0}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "movements",
        axes=("two axes are exchanged", "input_ordered", {"name": "movement", "order": [0, 2, 1]}),
        padding=("a stride of 2 is padded before, not behind", "without", {"way": "padded before conv1d"}, HARMLESS),
        gravity=("gravity is taken off already", "input_moved_by", {"name": "movement", "by": [0, 0, -9.8]}),
        early=("the weights of an earlier epoch", "early", {}, OTHER),
        tenth=("it was calibrated on a tenth of the range", "calibrated_on", TENTH),
    ),
    **_of(
        "forecast",
        repeats=("what was last is repeated", "repeated", {}),
        late=("it sees the series a step late", "input_rolled", {"name": "series", "by": 1}),
        order=("steps come in the other order", "ordered", {"output": "forecast", "order": [3, 2, 1, 0]}),
        step_constant=("the last step is always the mean", "constant", {"output": "forecast", "channel": 3}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "recurrent",
        state=("the state of another series is where none should be", "replaced", {"state": 0.9}),
        gates=("both gates are exchanged", "reordered", {"name": "gates", "order": [*range(12, 24), *range(12)]}, OTHER),
        late=("it sees the series a step late", "input_rolled", {"name": "series", "by": 1}),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "sounds",
        window=("frames are cut without a window", "replaced", {"window": 1.0}),
        late=("sounds come a frame late", "input_rolled", {"name": "sound", "by": 32}, HARMLESS),
        bands=("bands come in the other order", "reordered", {"name": "bands", "order": [*range(15, -1, -1)]}),
        quiet=("sounds are a tenth as loud", "input_moved", {"name": "sound", "factor": 0.1}, HARMLESS),
        early=("the weights of an earlier epoch", "early", {}),
    ),
    **_of(
        "words",
        axis=("the softmax of the attention is over the other axis", "without", {"way": "first axis"}),
        places=("words have no places", "replaced", {"places": 0.0}),
        table=("the table is shifted by a row", "ids_moved", {"name": "tokens", "size": 40}),
        row=("the row of one word is 0", "reweighted", {"name": "table", "at": 1, "axis": 0}, OTHER),
        early=("the weights of an earlier epoch", "early", {}, OTHER),
    ),
}  # fmt: skip

# What a build ships where int8 is not to be had: anything else that holds. All other networks ship in int8.
NOT_INT8 = ("kelvin_of_sensors", "channels")

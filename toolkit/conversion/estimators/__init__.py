"""Range estimators: from the statistics of an activation to the range of its integers, one file each.

An estimator is a module, standard library and numpy at its top, with

    NEEDS                               "extremes" (minimum and maximum of each sample), "histogram", or "converter" (see below)
    Parameters                          a frozen dataclass of numbers, named as in its source; its __post_init__ raises
                                        ValueError for impossible values, in words for the user
    estimate(statistics, parameters)    -> {tensor name: (low, high)} in real units, low <= high, for every tensor of the statistics

`statistics` is a `toolkit.wire.statistics.Statistics`. Each cites the paper or the file that it implements. An estimator with NEEDS "converter" has
no `estimate`: the converter of the format runs its own calibration (`calibrate` of `toolkit/conversion/converters/<format>.py`).
"""

"""One set of samples in use: read, prepared and checked against the model's inputs, with findings about it.

Reading does not stop at the first problem: the problems of all samples that are read are reported together.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from toolkit.errors import EdgeToolkitError, InvalidSamples
from toolkit.findings import Finding
from toolkit.samples.drawn_order import drawn_order
from toolkit.samples.fitting import Drawn, Fitting, input_specs, refuse_unknown
from toolkit.samples.misfits import Misfits
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample
from toolkit.samples.requested_set import SetJson, StepsJson
from toolkit.wire.request import Request

MOST_REPEATED = 1000
"""Samples in a row, drawn at random, without a new one. If one in 200 of the rest were new, this would happen in 7 of 1,000 draws."""


Unit = list[Drawn]
"""The unit of a draw: a sample, or a sequence of samples; empty if one of them does not fit."""


class SampleSet:
    """The samples of one recipe in drawn order, prepared and checked, with problems and findings about them."""

    def __init__(self, role: str, request: Request, scratch: Path) -> None:
        recipe: SetJson = request.options[role]
        self._name = recipe["name"]
        self._specs = input_specs(request)
        self._constant = recipe["constant"]
        self.misfits = Misfits()
        common, single = recipe["preprocess"]["common"], recipe["preprocess"]["inputs"]
        steps: dict[str, StepsJson] = {name: {**common, **single.get(name, {})} for name in self._specs}
        self._fitting = Fitting(self._specs, steps, self.misfits)
        self.looked_at = 0
        for key, names in (("preprocess", single), ("constant", self._constant)):
            with self.misfits.gathering():
                refuse_unknown(key, names, self._specs)
        self._seed = recipe["sampling"]["seed"]
        self._length = recipe["sampling"]["sequence"] or 1
        self.what = "samples" if self._length == 1 else f"sequences of {self._length} samples"
        reader = importlib.import_module(f"toolkit.samples.readers.{recipe['reader']['kind']}")
        files = {
            key.removeprefix(f"{role}."): path for key, path in request.inputs.items() if key.startswith(f"{role}.")
        }
        folder = Path(recipe["folder"]) if recipe["folder"] else None
        asked = ReadRequest(tuple(self._specs), scratch, folder)
        self._reading = Reading(iter(()))
        with self.misfits.gathering():
            self._reading = reader.read(reader.Options(**recipe["reader"]["options"]), files, asked)
        self.seen: set[str] = set()
        self.read = self.shared = 0
        self.is_given_up = False

    @property
    def is_stream(self) -> bool:
        """Whether samples can only be read one after the other, and their number is not known."""
        return not isinstance(self._reading.samples, Indexed)

    @property
    def count(self) -> int | None:
        """The declared number of samples in the set; None if it is unknown."""
        samples = self._reading.samples
        return samples.count if isinstance(samples, Indexed) else None

    def different(self, taken: set[str], *, at_most: int) -> Iterator[Unit]:
        """Yield each different unit once, without those in `taken`; an empty unit for each that does not fit.

        No more than `at_most` units of a stream are read. Reading ends when MOST_REPEATED units in a row are repeated.
        """
        repeated = 0
        for unit in self._units(self._drawn()):
            if not unit:
                yield unit
                continue
            self.read += 1
            digest = unit[0].digest if len(unit) == 1 else _digest_of([drawn.digest for drawn in unit])
            new = digest not in self.seen
            self.seen.add(digest)
            repeated = 0 if new else repeated + 1
            self.is_given_up = repeated >= MOST_REPEATED
            if new and all(drawn.digest in taken for drawn in unit):
                self.shared += 1
            elif new:
                yield unit
            if self.is_given_up or (self.is_stream and self.read >= at_most):
                return

    def in_order(self) -> Iterator[Unit]:
        """Yield all samples, in the set's own order; an empty unit for each that does not fit."""
        samples = self._reading.samples
        yield from self._units(
            self._at(samples, range(samples.count)) if isinstance(samples, Indexed) else self._next()
        )

    def problems(self) -> list[EdgeToolkitError]:
        """Return an error for each kind of problem of this set, with the number of samples that were read; [] if all fit."""
        return self.misfits.errors(self._name, self.looked_at, self.count)

    def _units(self, samples: Iterable[Sample | None]) -> Iterator[Unit]:
        """Yield the checked samples, single or as sequences; None among `samples` is a sample that could not be read."""
        unit: list[Drawn | None] = []
        for sample in samples:
            self.looked_at += 1
            unit.append(None if sample is None else self._fitting.fit(sample, self._reading.place))
            if unit[-1] is None:
                self.misfits.samples += 1
            if len(unit) == self._length:
                fitting = [drawn for drawn in unit if drawn is not None]
                yield fitting if len(fitting) == len(unit) else []
                unit = []
        with self.misfits.gathering():
            self._refuse_rest(len(unit))

    def _refuse_rest(self, count: int) -> None:
        if count:
            raise InvalidSamples(
                f"the last {count} samples do not make a whole sequence of {self._length}",
                "leave them out, or declare another sequence under [sampling]",
            )

    def _drawn(self) -> Iterator[Sample | None]:
        """Yield the samples, sequence by sequence, in a drawn order if the reader can read at any place."""
        samples = self._reading.samples
        if not isinstance(samples, Indexed):
            yield from self._next()
            return
        count, rest = divmod(samples.count, self._length)
        with self.misfits.gathering():
            self._refuse_rest(rest)
        for place in drawn_order(count, self._seed):
            first = place * self._length
            yield from self._at(samples, range(first, first + self._length))

    def _at(self, samples: Indexed, places: Iterable[int]) -> Iterator[Sample | None]:
        """Yield the samples at these places; None for one that cannot be read."""
        for place in places:
            sample = None
            with self.misfits.gathering():
                sample = samples.at(place)
            yield sample

    def _next(self) -> Iterator[Sample | None]:
        """Yield the samples of a stream; a sample that cannot be read ends it with None."""
        stream = iter(() if isinstance(self._reading.samples, Indexed) else self._reading.samples)
        try:
            yield from stream
        except InvalidSamples as error:
            self.misfits.add(error)
            yield None

    def look_for_constants(self) -> None:
        """Add a problem if the set is empty, or if its samples do not differ as they should."""
        if not self.read:
            self.misfits.add(InvalidSamples("holds no sample"))
        elif self.read > 1 and len(self.seen) == 1:
            problem = f"all {self.read} {self.what} read are identical; expected different ones"
            self.misfits.add(InvalidSamples(problem))
        else:
            for name in self._specs:
                if name not in self._constant:
                    self._look_for_constant(name)

    def _look_for_constant(self, name: str) -> None:
        hint = f'if the input is meant never to change, declare it in the recipe: constant = ["{name}"]'
        if name not in self._fitting.varying and self.read > 1:
            problem = f"input {name!r} is the same in all {self.read} {self.what} read"
            self.misfits.add(InvalidSamples(problem, hint))
        elif name not in self._fitting.textured:
            problem = f"input {name!r}: each of the {self.read} {self.what} read is one single value all over"
            self.misfits.add(InvalidSamples(problem, hint))

    def findings(self) -> list[Finding]:
        """Return the findings of the reader, the preparation and the draw."""
        found = list(self._reading.findings)
        repeated = self.read - len(self.seen)
        if repeated:
            message = f"{repeated} of {self.read} {self.what} repeat another one and were left out"
            if self.is_given_up:
                message += f"; no more were read after {MOST_REPEATED:,} in a row without a new one"
            found.append(
                Finding("duplicate-samples", "warning", message, facts={"duplicates": repeated, "read": self.read})
            )
        if self.shared:
            message = f"{self.shared} of {self.read} {self.what} are in the calibration set too, and do not judge"
            found.append(
                Finding("calibrated-samples", "warning", message, facts={"shared": self.shared, "read": self.read})
            )
        for name, what in self._fitting.converted.items():
            message = f"input {name!r}: converted from {what}; `dtype` under [preprocess] declares it"
            found.append(Finding("converted-dtype", "info", message, facts={"input": name, "conversion": what}))
        return [replace(finding, message=f"{self._name}: {finding.message}") for finding in found]


def _digest_of(digests: Sequence[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()

"""A model in the page of a phone, which `serve-device` serves: the same as `toolkit.engines.web.page`, on the user's own device.

What comes back is the word of a device: names, dtypes, shapes and lengths are checked, as is the number that each batch has for itself, so that no
answer is taken for another. A call is timed by the page, from arrays to arrays; what it says may not be more than passed here.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.engines.loaded import TimedOutputs
from toolkit.errors import TargetUnavailable, WorkerLied
from toolkit.wire.browser_setup import Setup
from toolkit.wire.phone import Ended, gone, open_channel, pack, receive, send, unpack

if TYPE_CHECKING:
    from toolkit.engines.web.page import PageOptions, PageScript

AT_ONCE = 16
"""The most samples that go to a phone in one batch: often enough for its progress to move, and for little to be lost with a connection."""

_BATCH_BYTES = 8 << 20  # of one batch's samples, where there are several
_BATCH_MS = 2_000.0  # what a batch takes, about
_BEGINS_ANEW = 5  # times that one batch may find the page loaded again
_CLOCK_MS = 2.0  # how much later a phone's clock may be than this one, for each call: the steps of the coarsest (1 ms, Safari), twice
_WHO = "the phone"


class PhonePage:
    """A model that is loaded in the page of a phone, which another job gets when this object ends."""

    def __init__(self, setup: Setup, script: PageScript, model: Path, options: PageOptions) -> None:
        """Load a model; TargetUnavailable where no phone answers, RuntimeError in the engine's own words."""
        self._setup, self._engine, self._model, self._options = setup, script.path.stem, model, options
        self._done, self._latest_ms = 0, math.inf
        self._channel = open_channel()
        try:
            self.load()
        except BaseException:
            self._channel.close()
            raise

    def load(self) -> None:
        """Load the model, again where it is loaded already: whatever it keeps between calls begins anew."""
        answer = None
        for _ in range(_BEGINS_ANEW):
            answer = self._ask("load", self._model.read_bytes(), {})
            if answer is not None:
                break
        if answer is None:
            raise TargetUnavailable(f"{_WHO}: its page was loaded again and again while it got the model")
        _, told = answer
        try:
            held = json.loads(told["held"])
        except (KeyError, ValueError, RecursionError):
            held = None
        if not isinstance(held, dict):
            raise WorkerLied(f"{_WHO}: does not say how it holds the model")
        self.held: dict[str, Any] = held

    def call(self, sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs for one sample by name; raises as `call_several`."""
        ((outputs, _),) = self.call_several([sample])
        return outputs

    def call_several(self, samples: Sequence[Mapping[str, np.ndarray]]) -> list[TimedOutputs]:
        """Return the outputs and the milliseconds of each sample.

        WorkerLied for an answer to another batch, or that is not what it says of itself; TargetUnavailable where the phone gives none within the
        limit; RuntimeError in the engine's own words.
        """
        answers: list[TimedOutputs] = []
        while len(answers) < len(samples):
            batch = self._batch(samples[len(answers) :])
            began = time.perf_counter()
            found = self._answered(batch)
            elapsed_ms = (time.perf_counter() - began) * 1e3
            said_ms = sum(ms for _, ms in found)
            if said_ms > elapsed_ms + _CLOCK_MS * len(batch):
                raise WorkerLied(
                    f"{_WHO}: says that {len(batch)} calls took {said_ms:.1f} ms; {elapsed_ms:.1f} ms passed here"
                )
            self._latest_ms = said_ms / len(batch)
            self._done += len(batch)
            answers += found
        return answers

    def close(self) -> None:
        """Let the phone go."""
        self._channel.close()

    def _batch(self, samples: Sequence[Mapping[str, np.ndarray]]) -> Sequence[Mapping[str, np.ndarray]]:
        """Return the first samples, as many as go in one batch: one alone before it is known how long a call takes."""
        size = max(1, sum(array.nbytes for array in samples[0].values()))
        most = min(_BATCH_BYTES // size, _BATCH_MS / max(self._latest_ms, 1e-3), AT_ONCE)
        return samples[: max(1, int(most))]

    def _answered(self, batch: Sequence[Mapping[str, np.ndarray]]) -> list[TimedOutputs]:
        """Return the answers to a batch; where the page was loaded again, it gets the model again first."""
        number = secrets.token_hex(16)
        arrays = {f"{place}/{name}": array for place, sample in enumerate(batch) for name, array in sample.items()}
        body = pack(arrays, {"number": number, "count": str(len(batch))})
        for _ in range(_BEGINS_ANEW):
            answer = self._ask("call", body, {"done": self._done})
            if answer is not None:
                return _read(*answer, number, len(batch))
            self.load()
        raise TargetUnavailable(f"{_WHO}: its page was loaded again and again in the middle of the same samples")

    def _ask(
        self, what: str, body: bytes, more: Mapping[str, object]
    ) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
        """Return what the phone answers; None where its page was loaded again."""
        header = {
            "do": what,
            "engine": self._engine,
            "title": self._model.name,
            "options": dict(self._options),
            "count": self._options.get("count"),
            "done": self._done,
            "phone": self._setup.phone,
            "wait_s": self._setup.wait_s,
            **more,
        }
        try:
            send(self._channel, header, body)
            said, content = receive(self._channel)
        except Ended as error:
            raise gone() from error
        if said.get("anew") is True:
            return None
        if "problem" in said:
            raise TargetUnavailable(f"launcher phone: {said['problem']}", str(said.get("hint")))
        arrays, told = unpack(content, _WHO)
        if "error" in told:
            raise RuntimeError(told["error"][:2000])
        return arrays, told


def _read(arrays: Mapping[str, np.ndarray], told: Mapping[str, str], number: str, count: int) -> list[TimedOutputs]:
    """Return the outputs of each sample with its milliseconds; WorkerLied for an answer to another batch, or to fewer samples or more."""
    if told.get("number") != number:
        raise WorkerLied(
            f"{_WHO}: answered another batch ({told.get('number', 'without a number')[:40]!r}); expected {number!r}"
        )
    try:
        times = json.loads(told["ms"])
    except (KeyError, ValueError, RecursionError):
        times = None
    if not isinstance(times, list) or not all(_is_time(ms) for ms in times):
        raise WorkerLied(f"{_WHO}: says that the calls took {told.get('ms', 'nothing')[:80]}; expected milliseconds")
    if len(times) != count:
        raise WorkerLied(f"{_WHO}: was given {count} samples, and gave {len(times)} answers")
    outputs: list[dict[str, np.ndarray]] = [{} for _ in range(count)]
    for key, array in arrays.items():
        place, _, name = key.partition("/")
        if not (place.isascii() and place.isdecimal()) or int(place) >= count:
            raise WorkerLied(f"{_WHO}: gave {key[:80]!r}, which is an output of no sample")
        outputs[int(place)][name] = array
    return list(zip(outputs, map(float, times), strict=True))


def _is_time(ms: object) -> bool:
    return isinstance(ms, int | float) and not isinstance(ms, bool) and math.isfinite(ms) and ms >= 0

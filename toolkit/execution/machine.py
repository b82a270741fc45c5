"""What a machine says of itself and of this process: memory, load, frequency. Standard library only: a worker imports it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

_CPUS = Path("/sys/devices/system/cpu")


class Memory(TypedDict):
    """Resident bytes of the process at their highest (VmHWM, proc(5)): before the model was loaded, after it, and after all calls."""

    before_bytes: int
    loaded_bytes: int
    peak_bytes: int


class Machine(TypedDict):
    """What was seen of the machine: null where it does not say.

    `load_before` and `load_after` are averages of the number of running processes over a minute (getloadavg(3)). `others_busy` is the share of all
    cores' time that other processes took during the calls (/proc/stat). `mhz` are the frequencies of the cores afterwards, lowest and highest.
    """

    model: str | None
    cores: int
    governors: list[str] | None
    mhz: list[float] | None
    load_before: float | None
    load_after: float | None
    others_busy: float | None


def high_water_bytes() -> int | None:
    """Return the most resident bytes that this process has had so far (VmHWM, proc(5)); None where the system does not say."""
    found = _field("/proc/self/status", "VmHWM")
    return None if found is None else int(found.split()[0]) * 1024


def load_average() -> float | None:
    """Return the average number of running processes over the last minute; None where the system does not say."""
    with contextlib.suppress(OSError):
        return os.getloadavg()[0]
    return None


@dataclass(frozen=True)
class Busy:
    """Processor time since the start, in seconds: of the whole machine, busy or not, of what was busy, and of this process."""

    whole_s: float
    busy_s: float
    own_s: float

    @classmethod
    def now(cls) -> Busy | NoBusy:
        """Return the present times; `NoBusy` where the system does not say."""
        said = _field("/proc/stat", "cpu ")
        if said is None:
            return NoBusy()
        ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in said.split()[:8]]  # without guests, which user has
        own = os.times()
        return cls(sum(ticks), sum(ticks) - ticks[3] - ticks[4], own.user + own.system)

    def share_of_others(self) -> float | None:
        """Return the share of all cores' time that other processes took since then; None if too little time has passed."""
        now = Busy.now()
        if isinstance(now, NoBusy) or now.whole_s <= self.whole_s:
            return None
        others = (now.busy_s - self.busy_s) - (now.own_s - self.own_s)
        return min(1.0, max(0.0, others / (now.whole_s - self.whole_s)))


class NoBusy:
    """Stands for times that the system does not tell."""

    def share_of_others(self) -> None:
        """Return None."""


def machine(load_before: float | None, others_busy: float | None) -> Machine:
    """Return what the machine says of itself after the calls."""
    return {
        "model": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "governors": sorted(set(_of_cores("cpufreq/scaling_governor"))) or None,
        "mhz": _mhz(),
        "load_before": load_before,
        "load_after": load_average(),
        "others_busy": others_busy,
    }


def _mhz() -> list[float] | None:
    """Return the lowest and the highest present frequency of the cores, in MHz, by the kernel's driver or else by the processor's own account."""
    found = [int(text) / 1e3 for text in _of_cores("cpufreq/scaling_cur_freq") if text.isdigit()]
    with contextlib.suppress(OSError, ValueError):
        lines = [] if found else Path("/proc/cpuinfo").read_text().splitlines()
        found = found or [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return [min(found), max(found)] if found else None


def _of_cores(name: str) -> list[str]:
    """Return a file's text for each core that has it."""
    found = []
    for number in sorted(os.sched_getaffinity(0)):
        with contextlib.suppress(OSError):
            found.append((_CPUS / f"cpu{number}" / name).read_text().strip())
    return found


def _field(path: str, name: str) -> str | None:
    """Return the text of the first line that begins with a name, without the name; None where there is none."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text(errors="replace").splitlines():
            if line.startswith(name):
                return line.removeprefix(name).strip().removeprefix(":").strip()
    return None

"""What a host and its worker say to one another: one JSON object a line, commands to the worker and events from it."""

from __future__ import annotations

from typing import Literal, TypedDict

from toolkit.confinement import BoundsJson


class RunCommand(TypedDict):
    """Do the job in `folder`, with its limits in seconds and bytes; `modules` are those of the toolkit's that it may import, as far as known."""

    do: Literal["run"]
    id: int
    folder: str
    timeout_s: float
    memory_bytes: int
    written_bytes: int
    access: BoundsJson
    modules: list[str]


class CancelCommand(TypedDict):
    """Kill the job of that number; its `EndedEvent` still comes."""

    do: Literal["cancel"]
    id: int


class ReadyEvent(TypedDict):
    """The worker takes jobs; `confined` says how its jobs are confined, in words."""

    event: Literal["ready"]
    python: str
    machine: str
    confined: str


class FailedEvent(TypedDict):
    """The worker takes no jobs, and why."""

    event: Literal["failed"]
    problem: str


class EndedEvent(TypedDict):
    """A job has ended: `status` is its exit status, negative for a signal; `killed_for` is the limit it reached, "cancel", or null."""

    event: Literal["ended"]
    id: int
    status: int
    killed_for: str | None
    peak_bytes: int


Command = RunCommand | CancelCommand
Event = ReadyEvent | FailedEvent | EndedEvent

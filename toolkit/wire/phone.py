"""The way between a job and the phone that runs its model, on this machine's side: frames over a socket, arrays in the layout of safetensors.

A frame is the length of its header and the length of its body (8 bytes each, little endian), the header as JSON, and the body.

A worker is started with one end of a connection to `serve-device`, which is made before any job is confined; the variable `LINE` has its number. Each
job makes a channel, a pair of sockets, and passes one end on. So no job opens a connection, jobs share nothing, and the end of a job is seen.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from toolkit.errors import RequestError, TargetUnavailable, WorkerLied

LINE = "EDGE_TOOLKIT_PHONE_LINE"
"""The variable with the number of the descriptor that leads to `serve-device`."""

FOLDER, SOCKET = "phone", "line"
"""The folder in the cache, of this user alone, and the socket in it by which jobs reach `serve-device`."""

MOST_HEADER_BYTES = 1 << 20
MOST_BODY_BYTES = 2 << 30
"""The largest body: a model. A browser's buffers end there too (2 GB in 32-bit browsers)."""

TAKEN = b"t"
"""What `serve-device` sends first by each channel."""

_TAKEN_S = 30.0  # of a machine that does much else
_LENGTHS = struct.Struct("<QQ")
_HEADER_LENGTH = struct.Struct("<Q")  # https://huggingface.co/docs/safetensors: what a file begins with
_BLOCK = 1 << 20

Header = dict[str, Any]


class Ended(Exception):
    """The other end is gone, or sent what is no frame."""


def send(channel: socket.socket, header: Mapping[str, object], body: bytes = b"") -> None:
    """Send a frame; Ended where nobody takes it."""
    told = json.dumps(header).encode()
    try:
        channel.sendall(_LENGTHS.pack(len(told), len(body)) + told)
        if body:  # else the other end has all, and may be gone with its answer sent
            channel.sendall(body)
    except OSError as error:
        raise Ended(str(error)) from error


def receive(channel: socket.socket) -> tuple[Header, bytes]:
    """Return the next frame; Ended where there is none, or where it is larger than any of ours."""
    header_bytes, body_bytes = _LENGTHS.unpack(_exactly(channel, _LENGTHS.size))
    if header_bytes > MOST_HEADER_BYTES or body_bytes > MOST_BODY_BYTES:
        raise Ended(f"a frame of {header_bytes} and {body_bytes} bytes")
    try:
        header = json.loads(_exactly(channel, header_bytes))
    except (ValueError, RecursionError) as error:
        raise Ended("a header that is no JSON") from error
    if not isinstance(header, dict):
        raise Ended("a header that is no table")
    return header, _exactly(channel, body_bytes)


def _exactly(channel: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        try:
            more = channel.recv(min(_BLOCK, count - len(content)))
        except OSError as error:
            raise Ended(str(error)) from error
        if not more:
            raise Ended("the other end is gone")
        content += more
    return bytes(content)


def open_channel() -> socket.socket:
    """Return a job's own channel to `serve-device`.

    RequestError in a worker that was started by a launcher without a phone, TargetUnavailable where `serve-device` has ended.
    """
    number = os.environ.get(LINE)
    if number is None:
        raise RequestError("this runtime runs on a phone; its launcher is phone, and another one was named")
    try:
        with socket.socket(fileno=os.dup(int(number))) as line:
            return pass_channel(line)
    except OSError as error:
        raise gone() from error


def pass_channel(line: socket.socket) -> socket.socket:
    """Return one end of a pair of sockets whose other end was passed on by a line, and taken there; OSError where nobody takes it."""
    own, theirs = socket.socketpair()
    try:
        with (
            theirs
        ):  # until it is taken: an end that nobody holds while it is on its way may be swept away by the kernel
            socket.send_fds(line, [b"c"], [theirs.fileno()])
            own.settimeout(_TAKEN_S)
            taken = own.recv(1)
            own.settimeout(None)
    except BaseException:
        own.close()
        raise
    if taken != TAKEN:
        own.close()
        raise ConnectionError("the channel was not taken")
    return own


def gone() -> TargetUnavailable:
    """Return the error for a `serve-device` that has ended."""
    return TargetUnavailable(
        "launcher phone: `serve-device` has ended", "start it again, open its page on the phone, and repeat the command"
    )


def pack(arrays: Mapping[str, np.ndarray], told: Mapping[str, str]) -> bytes:
    """Return arrays, and texts beside them, in the layout of safetensors."""
    return save({name: np.asarray(array, order="C") for name, array in arrays.items()}, dict(told))


def unpack(content: bytes, who: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and texts of what a phone sent; WorkerLied for what is not in that layout, whole and without gaps."""
    try:
        (length,) = _HEADER_LENGTH.unpack(content[: _HEADER_LENGTH.size])
        header = json.loads(content[_HEADER_LENGTH.size : _HEADER_LENGTH.size + length])
        told = header.get("__metadata__", {})
        arrays = load(content)
    except (SafetensorError, struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WorkerLied(f"{who}: sent {len(content)} bytes that are no arrays ({str(error)[:200]})") from error
    return arrays, {str(name): str(text) for name, text in told.items()}

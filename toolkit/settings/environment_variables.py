"""The environment variables that the toolkit passes to programs: those on a list, never the whole shell environment.

A variable on no list reaches no program: a preloaded library, another backend of Keras, a flag of TensorFlow's, a password.
docs/security.md has the lists.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from fnmatch import fnmatchcase

from toolkit import printable
from toolkit.errors import RequestError

# Needed by every program, and changing no number: where programs are, how text is written, what time it is.
_EVERYBODY = ("PATH", "LANG", "LANGUAGE", "LC_*", "TZ")

# How an engine on this machine computes, by its owner's choice. It splits sums or chooses kernels, so it is part of a job's key.
_COMPUTING = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "MKL_NUM_THREADS",
    "NVPL_BLAS_DEBUG_CPU_TYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
)

# Needed by uv, apt, dpkg and npm besides: the user's caches, indexes, certificates and passwords for them, and the way to the network.
_INSTALLING = (
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "UV_*",
    "NPM_CONFIG_*",
    "npm_config_*",
    "NODE_EXTRA_CA_CERTS",
    "XDG_*",
    "NETRC",
    "APT_CONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "DBUS_SESSION_BUS_ADDRESS",  # leads to a keyring with the password of an index
    "NIX_LD*",
    "PYENV_*",  # tells its commands called `python` which one to use
    *(name for each in ("http", "https", "ftp", "all", "no") for name in (f"{each}_proxy", f"{each}_proxy".upper())),
)

# Needed by adb besides: its keys, and where its server is.
_ADB = ("HOME", "ADB_VENDOR_KEYS", "ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT")

# Needed by ssh besides: who the user is, and the way to the agent or the ticket that holds his keys.
_CONNECTING = ("HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "KRB5CCNAME")

# Set by the toolkit itself for a worker; a user may not set them.
_OWN = ("TMPDIR", "PYTHONUNBUFFERED", "PYTHONNOUSERSITE", "NO_COLOR")


def by_everybody() -> dict[str, str]:
    """Return the variables that every program gets."""
    return _of(_EVERYBODY)


def by_engines() -> dict[str, str]:
    """Return the variables that say how engines on this machine compute: for their workers, and for the keys of their jobs."""
    return _of(_COMPUTING)


def by_installers() -> dict[str, str]:
    """Return the variables for programs that make environments, which run nothing of a model."""
    return _of((*_EVERYBODY, *_INSTALLING))


def by_adb() -> dict[str, str]:
    """Return the variables for Android's adb, which runs nothing of a model on this machine."""
    return _of((*_EVERYBODY, *_ADB))


def by_ssh() -> dict[str, str]:
    """Return the variables for `ssh`, which passes none of them on."""
    return _of((*_EVERYBODY, *_CONNECTING))


def allowed(names: Iterable[str]) -> dict[str, str]:
    """Return the variables that the user lets workers have; RequestError, with all mistakes, for one that is not set or is the toolkit's own."""
    found, wrong = {}, []
    for name in names:
        if name in _OWN:
            wrong.append(f"--allow-env {name}: the toolkit sets it itself for each worker")
        elif name not in os.environ:
            close = difflib.get_close_matches(name, os.environ, n=1)
            wrong.append(f"--allow-env {name}: is not set here" + (f"; did you mean {close[0]!r}?" if close else ""))
        else:
            found[name] = os.environ[name]
    if wrong:
        raise RequestError(printable.lines(wrong))
    return found


def _of(patterns: Iterable[str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if any(fnmatchcase(name, one) for one in patterns)}

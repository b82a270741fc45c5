"""Serve a page to a phone that runs models."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit import printable
from toolkit.cli.common import Made, say
from toolkit.cli.help import TARGET
from toolkit.cli.verbs import app, verb


def _option(name: str, metavar: str, said: str) -> Any:
    return typer.Option(name, metavar=metavar, rich_help_panel=TARGET, help=said)


@verb(
    app,
    "serve-device",
    "serve-device",
    "serve-device --address 192.168.1.20 --port 8080",
    "serve-device --host pc.example --cert chain.pem --key key.pem",
)
def serve_device_(
    common: Made,
    address: Annotated[
        str | None,
        _option("--address", "ADDRESS", "The address to listen at; else this machine's in its network."),
    ] = None,
    port: Annotated[int, _option("--port", "N", "The port; 0 for any free one.")] = 0,
    host: Annotated[str | None, _option("--host", "NAME", "The name by which the phone finds this machine.")] = None,
    cert: Annotated[Path | None, _option("--cert", "FILE", "A certificate's chain (PEM), for https.")] = None,
    key: Annotated[Path | None, _option("--key", "FILE", "Its private key (PEM).")] = None,
) -> int:
    """Make a phone a device: serve it a page that runs models.

    The phone that opens the page runs what is built for the target phone-browser, in another terminal. Ctrl-C ends it.
    """
    from toolkit.report.qr_code import qr_code
    from toolkit.verbs.serve_device import PLAIN, Place, serve_device

    place = Place(address, port, host, cert, key)
    with serve_device(place, say, common.settings) as serving:
        document = {"url": serving.url, "link": serving.link, "token": serving.token, "secure": serving.secure}
        lines = [
            qr_code(serving.link),
            f"open on the phone: {serving.url}",
            f"token:             {serving.token} (the code has it; it serves once)",
            "then, elsewhere:   edge-toolkit build MODEL -t phone-browser --calibration SET",
            *([] if serving.secure else [PLAIN]),
        ]
        common.show(document, lambda: printable.lines(lines))
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0

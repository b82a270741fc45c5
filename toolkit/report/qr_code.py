"""A text as a QR code of letters, for a terminal."""

from __future__ import annotations

from toolkit.printable import Text

_HALVES = {
    (0, 0): "█",
    (0, 1): "▀",
    (1, 0): "▄",
    (1, 1): " ",
}  # of two rows: what is light is drawn, as most terminals are dark


def qr_code(text: str) -> Text:
    """Return a QR code (ISO/IEC 18004, correction level L) of a text, two rows of modules a line, with the light border that readers need."""
    import segno

    rows = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    light = [0] * len(rows[0])
    pairs = zip(rows[::2], [*rows[1::2], light][: len(rows[::2])], strict=True)
    return Text(
        "\n".join(
            "".join(_HALVES[bool(upper), bool(lower)] for upper, lower in zip(*pair, strict=True)) for pair in pairs
        )
    )

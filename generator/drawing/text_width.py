"""How wide a text may get in a picture. The reader's own font is not known here, so this errs on the wide side."""

from __future__ import annotations

# In parts of the font's size, as in the widest of the usual fonts for screens.
_NARROW, _USUAL, _CAPITAL, _BROAD, _WIDEST, _FOREIGN = 0.42, 0.64, 0.76, 0.84, 1.0, 1.4
_BOLD = 1.13
_WIDTHS = {
    **dict.fromkeys("filjrtI.,:;'|!()[]-/\\ ", _NARROW),
    **dict.fromkeys("ABCEFHJKLNPRSTUVXYZ", _CAPITAL),
    **dict.fromkeys("wDGOQ+~=<>#&±", _BROAD),
    **dict.fromkeys("mMW@%", _WIDEST),
}


def width(text: str, size: int, *, bold: bool = False) -> float:
    """The most that `text` is likely to take, in pixels, at a font size in pixels."""
    parts = (_WIDTHS.get(character, _USUAL if character < "\u0080" else _FOREIGN) for character in text)
    return sum(parts) * size * (_BOLD if bold else 1)

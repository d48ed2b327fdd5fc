"""The same document as a PDF: text alone, readable on paper.

In come the sections of :mod:`~twinhelm.mlops.govern.page`, out come bytes. The fonts that every
reader of PDF has hold Latin letters alone, and a font of our own would weigh more than the code:
so other characters are written by their plain letter where they have one (``ő`` as ``o``) and as
``[U+4E2D]`` where not, and the first page says how many. Rows are written below each other and
not as a table, because one may be longer than a page. Equal sections give equal bytes.

Cost: about 10 ms a page. fpdf2 is imported when it is first needed.
"""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from twinhelm.mlops.govern.page import Section

__all__ = ["latin", "pdf"]

_PLAIN = str.maketrans(
    {"\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"',
     "\u201d": '"', "\u2026": "...", "\u20ac": "EUR", "\u2265": ">=", "\u2264": "<=",
     "\u2192": "->", "\u2022": "-", "\t": " ", "\r": "\n"}
)  # fmt: skip
"""Marks that have a plain way to be written: dashes, quotes, comparisons, arrows."""


def latin(text: str) -> tuple[str, int]:
    """Write text in the letters of Latin-1; return it with how many characters that changed.

    >>> latin("Erdős ≥ 中")
    ('Erdos >= [U+4E2D]', 2)
    """
    changed, written = 0, []
    for char in unicodedata.normalize("NFC", text).translate(_PLAIN):
        if char == "\n" or (ord(char) < 256 and unicodedata.category(char) != "Cc"):
            written.append(char)
            continue
        changed += 1
        plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
        written.append(plain if plain.isprintable() and plain else f"[U+{ord(char):04X}]")
    return "".join(written), changed


def pdf(title: str, sections: Sequence[Section], *, made_ms: int) -> bytes:
    """Write sections as a PDF of A4 pages, numbered."""
    from fpdf import FPDF

    class Sheet(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font("helvetica", size=8)
            self.cell(0, 6, f"{latin(title)[0]}, page {self.page_no()} of {{nb}}", align="C")

    sheet = Sheet(format="A4")
    sheet.set_margin(18)
    sheet.set_auto_page_break(True, margin=18)
    sheet.set_title(latin(title)[0])
    sheet.set_creation_date(datetime.fromtimestamp(made_ms / 1000, UTC))
    sheet.add_page()

    def write(text: str, size: float, *, style: str = "", after: float = 0.0) -> None:
        sheet.set_font("helvetica", style, size)
        sheet.multi_cell(0, size * 0.5, latin(text)[0], new_x="LMARGIN", new_y="NEXT", align="L")
        sheet.ln(after)

    write(title, 16, style="B", after=3)
    if changed := sum(latin(text)[1] for text in _texts(title, sections)):
        write(f"{changed} characters are written plainly here; the JSON has them as they are.", 8)
    for section in sections:
        if not section.text and not section.rows:
            continue  # charts alone
        sheet.ln(4)
        write(section.title, 12, style="B", after=1)
        if section.text:
            write(section.text, 9, after=1)
        for first, *rest in section.rows:
            write(first, 9, style="B")
            named = zip(section.head[1:], rest, strict=True)
            write("\n".join(f"{name}: {cell}" for name, cell in named if cell), 9, after=1.5)
    return bytes(sheet.output())


def _texts(title: str, sections: Sequence[Section]) -> list[str]:
    rows = [cell for section in sections for row in section.rows for cell in row]
    return [title, *rows, *(each.title + each.text for each in sections)]

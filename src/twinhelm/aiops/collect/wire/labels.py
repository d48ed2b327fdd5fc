"""Parse the label blocks of series that were not seen before.

In: slots of a :class:`~twinhelm.aiops.collect.wire.blocks.BlockTable` whose blocks are
``labels`` fields. Out, per slot, the labels in canonical form, or a text that says why they are
not labels: invalid UTF-8, a name repeated or empty, no ``__name__``, past a limit.
Cost: about 3 us a series; a kernel finds all names and values at once.
"""

from sys import intern

import numpy as np

from twinhelm.aiops.collect.wire.blocks import Blocks, BlockTable
from twinhelm.aiops.collect.wire.fields import field
from twinhelm.aiops.collect.wire.memory import kernel
from twinhelm.core.arrays import I64
from twinhelm.core.errors import Refused
from twinhelm.core.labels import METRIC, LabelLimits, Labels, check_labels, metric_name

__all__ = ["in_words", "parse_blocks"]


def parse_blocks(table: BlockTable, slots: I64, limits: LabelLimits) -> list[Labels | str]:
    """Parse the blocks of ``slots``: labels, or a text that says what is wrong with them."""
    if not len(slots):
        return []
    most = limits.max_labels + 1
    sizes = table.spans[slots, 1] - table.spans[slots, 0]
    parts = np.empty((int(np.minimum(sizes // 2, most).sum()), 4), np.int64)
    counts = np.empty(len(slots), np.int64)
    _split_labels(table.arrays, slots, most, parts, counts)
    starts = table.spans[slots, 0]
    rows = (parts[: counts.sum()] - np.repeat(starts, counts)[:, None]).tolist()
    out: list[Labels | str] = []
    first = 0
    for slot, count in zip(slots.tolist(), counts.tolist(), strict=True):
        out.append(_labels(table.block(slot), rows[first : first + count], limits))
        first += count
    return out


def _labels(block: bytes, parts: list[list[int]], limits: LabelLimits) -> Labels | str:
    """Build one label set from the offsets of its names and values in its block."""
    # The same texts stand in many series: each is kept once.
    if block.isascii():
        text = block.decode("ascii")
        pairs = [(intern(text[a:b]), intern(text[c:d])) for a, b, c, d in parts]
    else:
        try:
            pairs = [
                (intern(block[a:b].decode()), intern(block[c:d].decode())) for a, b, c, d in parts
            ]
        except UnicodeDecodeError as error:
            told = block[parts[0][0] : parts[-1][3]][:200]
            return f"{told!r} is not UTF-8: {error.reason}"
    labels = tuple(sorted(pairs))
    try:
        check_labels(labels, limits)
    except Refused as refused:
        return refused.message
    labels = tuple(pair for pair in labels if pair[1])
    if not metric_name(labels):
        return f"{in_words(labels)} has no metric name"
    return labels


def in_words(labels: Labels) -> str:
    """Write labels as Prometheus does, cut to a length that a person reads.

    >>> in_words((("__name__", "up"), ("job", "a")))
    'up{job="a"}'
    """
    inner = ",".join(f'{name}="{value}"' for name, value in labels if name != METRIC)
    text = metric_name(labels) + (f"{{{inner}}}" if inner else "")
    return text[:200] if text else "{}"


@kernel
def _split_labels(blocks: Blocks, slots: I64, most: int, parts: I64, counts: I64) -> None:
    """Find names and values of blocks that are known to be well-formed, ``most`` in each.

    A row of ``parts`` is (name start, name end, value start, value end) in the arena.
    """
    arena = blocks.frozen
    row = 0
    for n in range(len(slots)):
        at, end = blocks.spans[slots[n], 0], blocks.spans[slots[n], 1]
        found = 0
        while 0 <= at < end and found < most:
            _, inner, stop, at = field(arena, at, end)
            for i in range(4):
                parts[row, i] = inner
            while 0 <= inner < stop:
                key, start, finish, inner = field(arena, inner, stop)
                if key == 0x0A:
                    parts[row, 0] = start
                    parts[row, 1] = finish
                elif key == 0x12:
                    parts[row, 2] = start
                    parts[row, 3] = finish
            row += 1
            found += 1
        counts[n] = found

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twinhelm.aiops.collect.wire.blocks import NO_ROOM, BlockTable, add, block_hash, find
from twinhelm.aiops.collect.wire.memory import kernel


@kernel
def find_or_add(data, start, end, blocks):
    hashed = block_hash(data, start, end, blocks.secret)
    slot = find(data, start, end, hashed, blocks.chains, blocks.spans, blocks.arena)
    return slot if slot >= 0 else add(data, start, end, hashed, blocks)


def look_up(table, block):
    data = np.frombuffer(b"<" + block + b">", np.uint8)
    slot = find_or_add(data, 1, 1 + len(block), table.arrays)
    while slot == NO_ROOM:
        table.grow(len(block))
        slot = find_or_add(data, 1, 1 + len(block), table.arrays)
    return slot


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=40), max_size=60), st.integers(0, 100))
def test_a_block_has_one_slot_and_a_slot_one_block(blocks, seed):
    table = BlockTable(np.random.default_rng(seed))
    slots = {}
    for block in blocks + blocks:
        assert look_up(table, block) == slots.setdefault(block, len(slots))
    assert [table.block(slot) for slot in slots.values()] == list(slots)
    assert len(table) == len(slots)


def test_slots_stay_while_the_table_grows():
    table = BlockTable(np.random.default_rng(3))
    blocks = [b"%d/" % i * (i % 9 + 1) for i in range(20_000)]
    first = [look_up(table, block) for block in blocks]
    assert first == list(range(len(blocks)))
    assert [look_up(table, block) for block in blocks] == first


def test_blocks_of_equal_bytes_and_other_lengths_differ():
    table = BlockTable(np.random.default_rng(4))
    assert [look_up(table, b"\0" * n) for n in range(100)] == list(range(100))


def test_two_tables_hash_with_secrets_of_their_own():
    tables = [BlockTable(np.random.default_rng(seed)) for seed in (1, 2)]
    hashes = [set(), set()]
    for table, seen in zip(tables, hashes, strict=True):
        for i in range(50):
            look_up(table, b"block %d" % i)
        seen.update(table.index[table.index[:, 1] > 0, 0].tolist())
    assert len(hashes[0]) == len(hashes[1]) == 50
    assert not hashes[0] & hashes[1]


def test_chains_stay_short_for_blocks_that_differ_little():
    table = BlockTable(np.random.default_rng(5))
    for i in range(20_000):
        look_up(table, b'instance="10.0.0.%d"' % i)
    homes = (table.index[:, 0] >> np.uint64(17)) & np.uint64(len(table.index) - 1)
    filled = np.flatnonzero(table.index[:, 1])
    steps = (filled - homes[filled].astype(np.int64)) % len(table.index)
    assert steps.max() < 30
    assert steps.mean() < 1


def test_clearing_forgets_every_block():
    table = BlockTable(np.random.default_rng(6))
    look_up(table, b"a")
    table.clear()
    assert len(table) == table.used_bytes == 0
    assert look_up(table, b"b") == 0

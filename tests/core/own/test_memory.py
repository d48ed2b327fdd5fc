from __future__ import annotations

import gc
import subprocess
import sys

from twinhelm.core.own.memory import GARBAGE, give_back_memory, keep_memory


def test_garbage_is_looked_for_less_often():
    before = gc.get_threshold()
    try:
        keep_memory()
        assert gc.get_threshold() == GARBAGE
    finally:
        gc.set_threshold(*before)


def test_memory_is_given_back_without_harm():
    held = [bytes(100_000) for _ in range(50)]
    del held[::2]
    give_back_memory()
    assert held[0] == bytes(100_000)


def test_arrays_are_taken_from_kept_memory():
    # A process of its own: what the allocator was told cannot be taken back.
    code = """
import resource, numpy as np
from twinhelm.core.own.memory import keep_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(1_000_000)  # 8 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
keep_memory()
np.ones(1_000_000)
print(faults())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) < 50 * 100, "50 arrays of 2000 pages each took fresh pages"

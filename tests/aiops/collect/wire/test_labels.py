import subprocess
import sys

from twinhelm.aiops.collect.wire.series import in_words


def test_labels_are_written_as_prometheus_writes_them():
    assert in_words((("__name__", "up"), ("a", "1"), ("b", "2"))) == 'up{a="1",b="2"}'
    assert in_words((("__name__", "up"),)) == "up"
    assert in_words(()) == "{}"
    assert len(in_words((("a", "x" * 1000),))) == 200


WARM = """
import sys
from numba.core.dispatcher import Dispatcher
from twinhelm.aiops.collect.otlp.metrics import OtlpMetricsDecoder
from twinhelm.aiops.collect.remote_write import RemoteWriteDecoder
from twinhelm.aiops.collect.wire import warm
from twinhelm.core.settings import LimitSettings

def compiled():
    modules = [m for name, m in sys.modules.items() if name.startswith("twinhelm.aiops.collect")]
    kernels = {k for m in modules for k in vars(m).values() if isinstance(k, Dispatcher)}
    return sorted(f"{k.py_func.__name__}{s}" for k in kernels for s in k.signatures)

warm.warm()
known = compiled()
warm.warm()
writes = RemoteWriteDecoder(warm._number, LimitSettings(), seed=1)
assert len(writes.decode_v1(b"".join(map(warm._series, range(3)))).samples) == 3
OtlpMetricsDecoder(warm._number, LimitSettings(), seed=1).decode(b"")
assert known and compiled() == known, set(compiled()) - set(known)
"""


def test_what_is_warm_is_compiled_no_more():
    # In a process of its own, where no other test has warmed anything.
    subprocess.run([sys.executable, "-c", WARM], check=True, timeout=200)

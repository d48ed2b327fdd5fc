"""Run Evidently's drift preset, in its own environment, on two tables from a folder.

In: a folder with ``before.npz`` and ``after.npz``. Out: a line of JSON with wall and CPU seconds.
"""

import json
import sys
import time
from pathlib import Path


def main():
    """Time the preset, the tables having been read."""
    import evidently
    import numpy as np
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    folder = Path(sys.argv[1])
    tables = [pd.DataFrame(dict(np.load(folder / f"{name}.npz"))) for name in ("before", "after")]
    wall, cpu = time.perf_counter(), time.process_time()
    Report([DataDriftPreset()]).run(tables[1], tables[0]).dict()
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps({"version": evidently.__version__, **took}))


if __name__ == "__main__":
    main()

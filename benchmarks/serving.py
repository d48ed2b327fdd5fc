"""How many predictions does a second of CPU give? twinhelm beside MLServer and MLflow.

    python benchmarks/serving.py [--quick] [--json FILE] [--only NAME ...]

The same scikit-learn models, trained anew in each environment (:mod:`serving_models`), one server
after the other, asked the same rows by closed-loop clients over keep-alive connections: 1 and 100
rows, 1, 8 and 32 clients. MLServer runs in its one process (``parallel_workers`` 0), which is its
fastest mode here; ``mlflow models serve`` as it comes. CPU time is that of the server and of all
its descendants, from ``/proc``; memory is proportional set size of all of them, so that pages
which processes share count once. Linux only. twinhelm logs every prediction to disk meanwhile;
the others log nothing.

Peers are installed into environments of their own under ``.cache``, where pip can.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from servers import free_port, get

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache"
TICKS = os.sysconf("SC_CLK_TCK")
FEATURES = 30
PATIENCE_S = 180.0

PEERS = {
    "mlserver": ["mlserver", "mlserver-sklearn", "uvloop<0.22"],
    "mlflow": ["mlflow==3.17.2", "scikit-learn"],
}
"""What each peer's environment holds; why these: uvloop 0.23 breaks MLServer's processes."""


@dataclass(frozen=True)
class Found:
    """What one case came to."""

    server: str
    model: str
    rows: int
    clients: int
    requests: int
    per_cpu_s: float
    per_s: float
    p50_ms: float
    p99_ms: float
    memory_mib: float


def environment(name: str) -> Path | None:
    """Return a peer's interpreter, making its environment first; None where it cannot be made."""
    python = CACHE / f"serving-{name}" / "bin" / "python"
    if python.is_file():
        return python
    print(f"installing {name} into {python.parents[1].relative_to(HERE.parent)}", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *PEERS[name]]
        subprocess.run(install, check=True)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"{name} is left out: {error}")
        return None
    return python


def tree(pid: int) -> list[int]:
    """List a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_s(pids: list[int]) -> float:
    """Return the CPU seconds that processes, and their ended children, have used."""
    total = 0.0
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        total += sum(int(stat[place]) for place in (11, 12, 13, 14)) / TICKS
    return total


def memory_mib(pids: list[int]) -> float:
    """Return the proportional set size of processes."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def command(
    server: str, model: str, python: str, made: Path, port: int
) -> tuple[list[str], str, str]:
    """Return how a server is started, the path that tells it stands, and the one to ask."""
    if server.startswith("twinhelm"):
        run = [python, str(HERE / "serving_door.py"), str(made / model / "mlflow"), str(port)]
        path = "/models/model/invocations" if "mlflow" in server else "/v2/models/model/infer"
        return [*run, str(made)], "/v2/health/ready", path
    if server == "mlserver":
        folder = made / model
        told = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings = {"parallel_workers": 0, "host": "127.0.0.1", "debug": False, **told}
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(
            json.dumps(
                {
                    "name": "model",
                    "implementation": "mlserver_sklearn.SKLearnModel",
                    "parameters": {"uri": "./model.joblib"},
                }
            )
        )
        run = [str(Path(python).with_name("mlserver")), "start", str(folder)]
        return run, "/v2/models/model/ready", "/v2/models/model/infer"
    run = [python, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    run += ["-m", str(made / model / "mlflow"), "-h", "127.0.0.1", "-p", str(port)]
    return run, "/ping", "/invocations"


@contextmanager
def running(server: str, model: str, made: Path, python: str) -> Iterator[tuple[int, int, str]]:
    """Start a server; gives its pid, port and path."""
    port = free_port()
    run, ready, path = command(server, model, python, made, port)
    folder = str(Path(python).parent)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    with (made / f"{server}.log").open("ab") as log:
        process = subprocess.Popen(
            run, stdout=log, stderr=log, start_new_session=True, env=environ, cwd=made
        )
        try:
            end = time.perf_counter() + PATIENCE_S
            while True:
                if process.poll() is not None or time.perf_counter() > end:
                    raise RuntimeError(f"{server} did not start: see {log.name}")
                try:
                    get(f"http://127.0.0.1:{port}{ready}")
                    break
                except OSError:
                    time.sleep(0.05)
            yield process.pid, port, path
        finally:
            left = tree(process.pid)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait()


def request(path: str, rows: int) -> bytes:
    """Write a whole request, head and body."""
    x = np.random.default_rng(0).lognormal(size=(rows, FEATURES))
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP64"}
    if path.endswith("infer"):
        # MLServer answers what it is asked for; so does twinhelm.
        wanted = [{"name": "predict"}]
        body = {"inputs": [{**tensor, "data": x.ravel().tolist()}], "outputs": wanted}
    else:
        body = {"inputs": x.tolist()}
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text


async def client(port: int, message: bytes, until: float, times: list[float]) -> None:
    """Ask one request after the other on one connection until it is time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        begun = time.perf_counter()
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode(errors="replace") + str(await reader.read(1000)))
        low = head.lower()
        at = low.index(b"content-length:") + 15
        await reader.readexactly(int(low[at : low.index(b"\r", at)]))
        times.append(time.perf_counter() - begun)
    writer.close()


def measured(
    server: str, model: str, at: tuple[int, int, str], rows: int, clients: int, seconds: float
) -> Found:
    """Ask for some seconds, warm-up apart."""
    pid, port, path = at
    message = request(path, rows)

    async def crowd(long_s: float) -> list[float]:
        times: list[float] = []
        until = time.perf_counter() + long_s
        await asyncio.gather(*(client(port, message, until, times) for _ in range(clients)))
        return times

    asyncio.run(crowd(seconds / 4))
    pids = tree(pid)
    before, begun = cpu_s(pids), time.perf_counter()
    times = sorted(asyncio.run(crowd(seconds)))
    took, used = time.perf_counter() - begun, cpu_s(pids) - before
    return Found(
        server, model, rows, clients, len(times), len(times) / used, len(times) / took,
        statistics.median(times) * 1e3, times[int(0.99 * (len(times) - 1))] * 1e3,
        memory_mib(pids),
    )  # fmt: skip


def told(found: list[Found]) -> None:
    """Print a table per case, with twinhelm's part in the better of its peers."""
    print(f"{'model':9} rows clients {'server':16} req/CPU-s   req/s  p50 ms  p99 ms    MiB")
    for one in sorted(found, key=lambda each: (each.model, each.rows, each.clients, each.server)):
        print(
            f"{one.model:9} {one.rows:4} {one.clients:7} {one.server:16} {one.per_cpu_s:9.0f}"
            f" {one.per_s:7.0f} {one.p50_ms:7.2f} {one.p99_ms:7.2f} {one.memory_mib:6.0f}"
        )
    for case in sorted({(one.model, one.rows, one.clients) for one in found}):
        here = [one for one in found if (one.model, one.rows, one.clients) == case]
        ours = [one for one in here if one.server.startswith("twinhelm")]
        peers = [one for one in here if one not in ours]
        if not ours or not peers:
            continue
        best, slow = max(one.per_cpu_s for one in peers), min(one.p99_ms for one in peers)
        worst, late = min(one.per_cpu_s for one in ours), max(one.p99_ms for one in ours)
        print(f"{case}: {worst / best:.2f} times the better peer; p99 {late:.1f} to {slow:.1f} ms")


def main() -> int:
    """Measure every server that is there."""
    parser = argparse.ArgumentParser(description="Predictions per second of CPU.")
    parser.add_argument("--quick", action="store_true", help="a second and a half per case")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=["twinhelm", "twinhelm-mlflow", *PEERS])
    asked = parser.parse_args()
    seconds = 1.5 if asked.quick else 8.0
    found: list[Found] = []
    for server in asked.only:
        python = environment(server) if server in PEERS else Path(sys.executable)
        if python is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder)
            train = [str(python), str(HERE / "serving_models.py"), folder]
            subprocess.run(train, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for model in ("logistic", "forest"):
                with running(server, model, made, str(python)) as at:
                    for rows in (1, 100):
                        for clients in (1, 8, 32):
                            one = measured(server, model, at, rows, clients, seconds)
                            found.append(one)
                            print(f"  {server} {model} {rows} x {clients}: "
                                  f"{one.per_cpu_s:.0f}/CPU-s", flush=True)  # fmt: skip
    told(found)
    if asked.json:
        asked.json.write_text(json.dumps([vars(one) for one in found], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

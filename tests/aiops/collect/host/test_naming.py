from __future__ import annotations

import pytest

from twinhelm.aiops.collect.host.linux_processes import kernel_thread_name, process_name


@pytest.mark.parametrize(
    ("comm", "line", "name"),
    [
        ("stress", "stress --cpu 1", "stress"),
        ("python3", "/usr/bin/python3 -u /opt/app/train.py --lr 1", "python3 train.py"),
        ("python3.11", "python3.11 -m http.server 80", "python3.11 http.server"),
        ("python", "python -X dev -W error burn.py", "python burn.py"),
        ("python", "python -c pass", "python -c"),
        ("python", "python", "python"),
        ("gunicorn", "/usr/bin/python3 /usr/bin/gunicorn app", "gunicorn"),
        ("node", "node --inspect /srv/server.js", "node server.js"),
        ("java", "java -Xmx1g -cp /a:/b org.apache.kafka.Kafka x", "java Kafka"),
        ("java", "java -jar /opt/app-1.2.jar", "java app-1.2.jar"),
        ("bash", "-bash", "bash"),
        ("bash", "bash -x /opt/run.sh", "bash run.sh"),
        ("prometheus-node", "/usr/bin/prometheus-node-exporter --x", "prometheus-node-exporter"),
        ("postgres", "postgres: writer ", "postgres"),
        ("sh", "sh /tmp/job-20231114.sh", "sh job-#.sh"),
        ("worker-12345678", "", "worker-#"),
        ("", "", "unnamed"),
        ("a\x00\x1b[31m", "", "a?[31m"),
    ],
)
def test_a_name_says_what_runs_and_stays_the_same(comm: str, line: str, name: str) -> None:
    assert process_name(comm, line.split(" ")) == name


def test_a_name_is_bounded() -> None:
    assert len(process_name("python3", ["python3", "x" * 500])) == 64


@pytest.mark.parametrize(
    ("comm", "name"),
    [("kworker/u8:1-events", "kworker"), ("ksoftirqd/0", "ksoftirqd"), ("jbd2/vda-8", "jbd"),
     ("123", "123")],
)  # fmt: skip
def test_a_kernel_thread_is_called_by_its_kind(comm: str, name: str) -> None:
    assert kernel_thread_name(comm) == name

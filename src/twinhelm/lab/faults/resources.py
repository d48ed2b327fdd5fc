"""Which faults use up what a machine has? Cores, memory, descriptors, disk, and crowds of users."""

from __future__ import annotations

import os

from twinhelm.lab.faults.causes import crowd, defect, neighbours
from twinhelm.lab.words import Fault, Symptom, Truth

__all__ = ["RESOURCES"]

RESOURCES = (
    Fault(
        "cpu_hog",
        "A loop in catalog computes without end and takes the core from its requests",
        "End the loop in catalog",
        Truth("catalog", indicator="cpu"),
        Symptom("process_cpu_seconds_total", {"job": "catalog"}, "rate", above=0.2),
        *defect("catalog", "burn", cores=2.0),
    ),
    Fault(
        "memory_leak",
        "cart keeps 10 MB more of memory each second",
        "Let cart go of what it kept",
        Truth("cart", indicator="memory"),
        Symptom("process_resident_memory_bytes", {"job": "cart"}, "value", above=140e6),
        *defect("cart", "leak_memory", mb_per_s=10.0),
    ),
    Fault(
        "descriptor_leak",
        "shipping opens 15 files each second and closes none",
        "Close the files of shipping",
        Truth("shipping", indicator="descriptors"),
        Symptom("process_open_fds", {"job": "shipping"}, "value", above=70.0),
        *defect("shipping", "leak_descriptors", per_s=15.0),
    ),
    Fault(
        "disk_full",
        "An old archive fills the volume that shipping writes its labels to",
        "Delete the archive",
        Truth("shipping", indicator="disk"),
        Symptom("volume_used_bytes", {"job": "shipping"}, "value", above=16.5e6),
        *defect("shipping", "fill_volume"),
    ),
    Fault(
        "clock_skew",
        "The clock of checkout is two minutes off, and payments trusts its signatures no more",
        "Set the clock of checkout",
        Truth("checkout", also=("payments",), indicator="errors"),
        Symptom("log", {"service": "payments"}, "lines", above=0.0, text="charge refused"),
        *defect("checkout", "clock", offset_s=-120.0),
    ),
    Fault(
        "noisy_neighbour",
        "Batch jobs that are none of the shop's take all cores of the host",
        "End the batch jobs",
        Truth("host", indicator="cpu"),
        Symptom("node_cpu_seconds_total", {"mode": "nice"}, "rate", above=0.4),
        *neighbours(os.cpu_count() or 2),
    ),
    Fault(
        "traffic_surge",
        "Three times as many users come; nothing is broken",
        "Let the users go home",
        Truth("gateway", indicator="traffic", blame=False),
        Symptom("crowd_sessions_total", {"job": "crowd"}, "rate", above=2.8),
        *crowd(factor=3.0),
    ),
)

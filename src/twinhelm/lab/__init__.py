"""A small real web shop to break, and to be judged by.

The lab asks: does the product find what is really wrong? It runs a shop of real processes on
loopback (:mod:`twinhelm.lab.stage`), breaks it in known ways (``faults``), records what its
telemetry showed, and scores what a backend made of it. It imports nothing else of twinhelm and
speaks to it, or to any other backend, by public addresses only.
"""

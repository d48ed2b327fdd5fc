"""Bytes from the network, read without making one object per sample.

:mod:`compression` unpacks bodies. :mod:`memory`, :mod:`fields` and :mod:`blocks` are what the
compiled walks are made of: words, protobuf fields, and byte blocks that are known again by a
keyed hash and a comparison. :mod:`writes` and :mod:`writes_v2` walk remote write, :mod:`points`
and :mod:`point` walk OTLP metrics; both fill in :mod:`columns`. :mod:`ids`, with :mod:`series`
and :mod:`lanes`, turns what they found into series ids, parsing only what was never seen
(:mod:`labels`; :mod:`otlp_series` and :mod:`otlp_names`). :mod:`cold` and :mod:`otlp_message`
read in plain Python what is rare.

The walks compile on their first use ever, some seconds on one core, and come from a cache after
that, in half a second; ``warm`` in :mod:`twinhelm.aiops.collect.warm` does it ahead of time.
"""

from __future__ import annotations

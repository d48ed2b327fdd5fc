"""Bytes from the network, read without making one object per sample.

:mod:`compression` unpacks bodies. :mod:`memory`, :mod:`fields` and :mod:`blocks` are what the
compiled walks are made of: words, protobuf fields, and byte blocks that are known again by a
keyed hash and a comparison. :mod:`writes` and :mod:`writes_v2` walk remote write, :mod:`otlp`
walks OTLP metrics; all fill in :mod:`columns`. :mod:`ids`, with :mod:`series` and
:mod:`otlp.lanes`, turns what they found into series ids, parsing only what was never seen
(:mod:`labels`, :mod:`otlp.series`). :mod:`cold` reads in plain Python what is rare.

The walks compile on their first use ever, which takes some seconds of one core, and come from a
cache after that, in half a second; :func:`twinhelm.aiops.collect.wire.warm.warm` does it ahead
of time.
"""

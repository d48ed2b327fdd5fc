"""Bytes from the network, read without making one object per sample.

:mod:`compression` unpacks bodies. :mod:`memory` and :mod:`blocks` are what the compiled walks are
made of: words, protobuf fields, and byte blocks that are known again by a keyed hash and a
comparison. :mod:`writes`, with :mod:`symbols`, walks remote write and
:mod:`twinhelm.aiops.collect.otlp.points` OTLP metrics; both fill in :mod:`columns`. :mod:`series`
turns what they found into series ids, parsing only what was never seen. The walks compile on
their first use ever, which :mod:`warm` does ahead of time.
"""

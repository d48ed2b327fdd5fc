"""OTLP metrics: the compiled walk, the plain one it is tested against, and what both agree on.

:mod:`points` walks a request and :mod:`point` reads one data point, compiled; :mod:`lanes` knows
the series they found. :mod:`message` walks generated messages. :mod:`names` and :mod:`series`
say, for both, what a metric and its points are called in Prometheus.
"""

"""OpenTelemetry's protocol, OTLP: metrics, logs and traces, as protobuf or as JSON.

:mod:`metrics`, :mod:`logs` and :mod:`traces` decode; :mod:`json` turns JSON bodies into the same
messages and :mod:`reply` words the answers. Metrics are many and are walked compiled:
:mod:`points` walks a request and :mod:`point` reads one data point, :mod:`lanes` knows the series
they found, and :mod:`series` says what those are called in Prometheus.
"""

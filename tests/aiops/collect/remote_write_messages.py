"""Message classes of both remote-write versions, built here from the published field numbers.

They are the reference that the decoder is compared with.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DOUBLE, INT64, UINT32, UINT64, STRING, MESSAGE = 1, 3, 13, 4, 9, 11

V1 = {
    "MetricMetadata": [
        (1, "type", "one", INT64),
        (2, "metric_family_name", "one", STRING),
        (4, "help", "one", STRING),
        (5, "unit", "one", STRING),
    ],
    "Label": [(1, "name", "one", STRING), (2, "value", "one", STRING)],
    "Sample": [(1, "value", "one", DOUBLE), (2, "timestamp", "one", INT64)],
    "Exemplar": [(2, "value", "one", DOUBLE), (3, "timestamp", "one", INT64)],
    "Histogram": [(1, "count_int", "one", UINT64), (15, "timestamp", "one", INT64)],
    "TimeSeries": [
        (1, "labels", "many", "Label"),
        (2, "samples", "many", "Sample"),
        (3, "exemplars", "many", "Exemplar"),
        (4, "histograms", "many", "Histogram"),
    ],
    "WriteRequest": [
        (1, "timeseries", "many", "TimeSeries"),
        (3, "metadata", "many", "MetricMetadata"),
    ],
}
V2 = {
    "Metadata": [
        (1, "type", "one", INT64),
        (3, "help_ref", "one", UINT32),
        (4, "unit_ref", "one", UINT32),
    ],
    "Sample": [
        (1, "value", "one", DOUBLE),
        (2, "timestamp", "one", INT64),
        (3, "start_timestamp", "one", INT64),
    ],
    "Exemplar": [(1, "labels_refs", "many", UINT32), (2, "value", "one", DOUBLE)],
    "Histogram": [(1, "count_int", "one", UINT64), (15, "timestamp", "one", INT64)],
    "TimeSeries": [
        (1, "labels_refs", "many", UINT32),
        (2, "samples", "many", "Sample"),
        (3, "histograms", "many", "Histogram"),
        (4, "exemplars", "many", "Exemplar"),
        (5, "metadata", "one", "Metadata"),
        (6, "created_timestamp", "one", INT64),
    ],
    "Request": [(4, "symbols", "many", STRING), (5, "timeseries", "many", "TimeSeries")],
}


def _classes(package, messages):
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, field, many, kind in fields:
            made = message.field.add(number=number, name=field, label=3 if many == "many" else 1)
            made.type = MESSAGE if isinstance(kind, str) else kind
            if isinstance(kind, str):
                made.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


WriteRequest = _classes("prometheus", V1)["WriteRequest"]
Request = _classes("io.prometheus.write.v2", V2)["Request"]


def v1(*series, metas=()):
    """Build a request of (labels, samples[, exemplars, histograms]) tuples."""
    request = WriteRequest()
    for labels, samples, *more in series:
        one = request.timeseries.add()
        for name, value in labels:
            one.labels.add(name=name, value=value)
        for time, value in samples:
            one.samples.add(timestamp=time, value=value)
        exemplars, histograms = (*more, 0, 0)[:2]
        for _ in range(exemplars):
            one.exemplars.add(value=1.0, timestamp=1)
        for _ in range(histograms):
            one.histograms.add(count_int=3, timestamp=1)
    for name, kind, text, unit in metas:
        request.metadata.add(metric_family_name=name, type=kind, help=text, unit=unit)
    return request.SerializeToString()


def v2(*series):
    """Build a request of (labels, samples[, exemplars, histograms, (type, help, unit)])."""
    request = Request()
    symbols = {"": 0}

    def ref(text):
        return symbols.setdefault(text, len(symbols))

    for labels, samples, *more in series:
        one = request.timeseries.add()
        for name, value in labels:
            one.labels_refs.extend([ref(name), ref(value)])
        for time, value in samples:
            one.samples.add(timestamp=time, value=value)
        exemplars, histograms, meta = (*more, *(0, 0, None)[len(more) :])
        for _ in range(exemplars):
            one.exemplars.add(value=1.0)
        for _ in range(histograms):
            one.histograms.add(count_int=3, timestamp=1)
        if meta:
            one.metadata.type = meta[0]
            one.metadata.help_ref = ref(meta[1])
            one.metadata.unit_ref = ref(meta[2])
    request.symbols.extend(symbols)
    return request.SerializeToString()

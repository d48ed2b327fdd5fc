from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from twinhelm.lab.stage.agent.exposition import labels_of, samples_of

ODD = ["plain", 'say "hi"', "back\\slash", "new\nline", "a b", "{brace}", "", "ünï", "x=1,y=2"]


def test_a_page_reads_as_the_client_library_reads_it():
    registry = CollectorRegistry()
    gauge = Gauge("odd", "help with a # and a }", ["text", "other"], registry=registry)
    for number, text in enumerate(ODD):
        gauge.labels(text, "x").set(number / 7)
    Gauge("no_labels", "", registry=registry).set(float("nan"))
    Gauge("endless", "", registry=registry).set(float("inf"))
    Counter("orders", "", ["kind"], registry=registry).labels("gold").inc(1e300)
    Histogram("took_seconds", "", registry=registry).observe(0.3)
    page = generate_latest(registry).decode()
    wanted = {
        (sample.name, tuple(sorted(sample.labels.items()))): repr(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    found = {}
    for series, value in samples_of(page):
        labels = labels_of(series)
        found[labels.pop("__name__"), tuple(sorted(labels.items()))] = repr(value)
    assert found == wanted


def test_what_is_no_sample_is_left_out():
    assert list(samples_of("")) == []
    assert list(samples_of("# TYPE up gauge\n\nup\nup one\nup 1\nrubbish{\n")) == [("up", 1.0)]

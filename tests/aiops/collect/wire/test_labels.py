from twinhelm.aiops.collect.wire.series import in_words
from twinhelm.aiops.collect.wire.warm import warm


def test_labels_are_written_as_prometheus_writes_them():
    assert in_words((("__name__", "up"), ("a", "1"), ("b", "2"))) == 'up{a="1",b="2"}'
    assert in_words((("__name__", "up"),)) == "up"
    assert in_words(()) == "{}"
    assert len(in_words((("a", "x" * 1000),))) == 200


def test_warming_compiles_everything_and_may_be_repeated():
    warm()
    warm()

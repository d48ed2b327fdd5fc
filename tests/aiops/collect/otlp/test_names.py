from hypothesis import given, settings
from hypothesis import strategies as st

from twinhelm.aiops.collect.otlp.series import Kind, family_name, number_text


@settings(max_examples=200)
@given(st.floats(allow_nan=False))
def test_a_bound_reads_back_the_same(value):
    assert float(number_text(value)) == value


@settings(max_examples=200)
@given(st.text(max_size=20), st.text(max_size=8), st.sampled_from(Kind))
def test_any_text_becomes_a_valid_name_or_none(name, unit, kind):
    made = family_name(name, unit, kind)
    assert made == "" or (made.replace(":", "_").isidentifier() and made.isascii())

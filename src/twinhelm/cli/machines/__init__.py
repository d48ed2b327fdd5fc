"""Commands of the AIOps wing: what people answer, what it changes, and back-tests."""

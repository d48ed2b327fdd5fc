"""Commands of the AIOps wing: runbooks and repairs, what people answer, back-tests."""

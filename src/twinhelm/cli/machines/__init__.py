"""Commands of the AIOps wing: repairs, who is told, what people answer, back-tests."""

"""What several protocols say in the same words: moments, severities, names, refusals."""

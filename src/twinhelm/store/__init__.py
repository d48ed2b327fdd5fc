"""Where things rest: telemetry, records with the journal, and bytes by name."""

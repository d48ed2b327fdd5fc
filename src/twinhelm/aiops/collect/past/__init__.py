"""History out of what keeps it: files and servers with the Prometheus query API."""

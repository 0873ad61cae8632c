"""The dashboards as typed code; `python -m dashboards.generator` writes their JSON."""

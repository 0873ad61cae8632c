"""What people and Prometheus see: status, metrics, HTTP, guide and logs."""

"""What schedulers and dashboards read: logs and metrics."""

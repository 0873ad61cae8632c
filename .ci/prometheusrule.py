"""Writes the alert rules as the Prometheus operator's PrometheusRule.

Usage: prometheusrule.py < alerts/postgres-migrator.rules.yaml \
           > k8s/overlays/prometheus-operator/prometheusrule.yaml
"""

import sys
import textwrap

HEAD = """\
# Made from alerts/postgres-migrator.rules.yaml by .ci/prometheusrule.py: edit it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: postgres-migrator
  labels:
    app.kubernetes.io/name: postgres-migrator
    app.kubernetes.io/part-of: postgres-migrator
spec:
"""


def prometheus_rule(rules: str) -> str:
    """Wrap a file of rules, comments and all."""
    return HEAD + textwrap.indent(rules, "  ")


if __name__ == "__main__":
    sys.stdout.write(prometheus_rule(sys.stdin.read()))

"""Scrapes an endpoint as Prometheus does: over HTTP, parsed by its client's own parser."""

import http.client

from prometheus_client.parser import text_string_to_metric_families


def fetch(port, path="/metrics", **headers):
    """Status, content type and text of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()


def scrape(port):
    """Values by sample name, then by labels in order of their names; and kinds by name."""
    status, _, text = fetch(port)
    assert status == 200
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            assert labels not in values.setdefault(sample.name, {})
            values[sample.name][labels] = sample.value
    kinds = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE"))
    return values, kinds

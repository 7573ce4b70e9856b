"""What weave says of itself."""

import json


def shares(cluster):
    """Who owns weave's addresses, by nickname, as the master has it."""
    report = cluster.on("master1", "curl -s -H 'Accept: application/json' http://127.0.0.1:6784/report")
    return [entry["Nickname"] for entry in json.loads(report)["IPAM"]["Entries"]]

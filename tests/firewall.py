"""What GCE's firewall rules let through: the first rule by priority decides, a denial before its like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Rule = Mapping[str, Any]
"""The values of a google_compute_firewall in Terraform's state."""

_USUAL_PRIORITY = 1000
_IMPLIED = {"INGRESS": False, "EGRESS": True}  # what Google does where no rule applies


@dataclass(frozen=True)
class Connection:
    """The first packet of a connection; an account is "" for whoever is no machine of the project."""

    source: str
    target: str
    protocol: str
    port: int = 0
    source_account: str = ""
    target_account: str = ""


def passes(rules: Iterable[Rule], connection: Connection) -> bool:
    """Whether the source's side lets the connection out, where it is a machine, and the target's side lets it in."""
    rules = list(rules)
    out = not connection.source_account or _decide(rules, connection, "EGRESS")
    return out and (not connection.target_account or _decide(rules, connection, "INGRESS"))


def _decide(rules: list[Rule], connection: Connection, direction: str) -> bool:
    applying = [rule for rule in rules if rule["direction"] == direction and _applies(rule, connection)]
    if not applying:
        return _IMPLIED[direction]
    first = min(applying, key=lambda rule: (rule["priority"] or _USUAL_PRIORITY, not rule["deny"]))
    return not first["deny"]


def _applies(rule: Rule, connection: Connection) -> bool:
    if rule["source_tags"] or rule["target_tags"] or rule["disabled"]:
        raise NotImplementedError("rules by tag, and disabled ones")
    if rule["direction"] == "EGRESS":
        ours = connection.source_account
        other = _within(connection.target, rule["destination_ranges"])
    else:
        ours = connection.target_account
        by_account = connection.source_account in (rule["source_service_accounts"] or ())
        other = by_account or _within(connection.source, rule["source_ranges"])
    meant = not rule["target_service_accounts"] or ours in rule["target_service_accounts"]
    return meant and other and any(_matches(each, connection) for each in (*rule["allow"], *rule["deny"]))


def _within(address: str, ranges: Iterable[str] | None) -> bool:
    return any(ip_address(address) in ip_network(each) for each in ranges or ())


def _matches(spec: Mapping[str, Any], connection: Connection) -> bool:
    if spec["protocol"] not in ("all", connection.protocol):
        return False
    if not spec["ports"]:
        return True
    ends = (each.partition("-") for each in spec["ports"])
    return any(int(first) <= connection.port <= int(last or first) for first, _, last in ends)

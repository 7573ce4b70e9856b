"""Pods must not ask the metadata service for the machine's keys."""

from agent import guard


def test_the_rule_is_put_once(programs, tmp_path):
    rules = tmp_path / "rules"
    rules.touch()
    programs.put(
        "iptables",
        f'action=$4; shift 4; case $action in -C) grep -qx -- "$*" {rules} ;; -I) echo "$*" >>{rules} ;; esac',
    )
    guard.ensure("10.0.2.100")
    guard.ensure("10.0.2.100")
    assert rules.read_text() == "PREROUTING ! -i lo -d 10.0.2.100/32 -p tcp ! --dport 53 -j DROP\n"

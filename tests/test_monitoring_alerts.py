"""The alerts of the add-on monitoring, by the rule tests of its own store."""

import json
import subprocess

import pytest
from ruamel.yaml import YAML

from generator import addon_catalog
from tests import rule_tester
from tests.alert_cases import CASES

RULES = "alerts.yaml"


def text():
    return addon_catalog.known()["monitoring"].files[RULES]


def rules():
    """The rules by the name of their alert."""
    groups = YAML(typ="safe", pure=True).load(text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def raised(case, rule):
    """What the case expects of its alert, as the store's tests have it."""
    labels = {"severity": case.severity, **case.labels}
    return {"exp_labels": labels, "exp_annotations": {**rule["annotations"], "summary": case.summary}}


def unit_tests():
    """All cases as a file of the store's own rule tests."""
    known, made = rules(), []
    for case in CASES:
        looks = [{"eval_time": f"{at}m", "alertname": case.alert, "exp_alerts": []} for at in case.quiet]
        expected = [raised(case, known[case.alert])]
        looks.append({"eval_time": f"{case.fires}m", "alertname": case.alert, "exp_alerts": expected})
        series = [{"series": name, "values": values} for name, values in case.series.items()]
        made.append({"name": case.alert, "interval": "1m", "input_series": series, "alert_rule_test": looks})
    return {"rule_files": [RULES], "evaluation_interval": "1m", "tests": made}


def test_every_alert_has_a_case():
    assert {case.alert for case in CASES} == rules().keys()


def test_every_alert_says_what_is_wrong_and_what_to_do():
    for rule in rules().values():
        assert rule["annotations"].keys() == {"summary", "description"}
        assert "{{" not in rule["annotations"]["description"]
        assert rule["labels"]["severity"] in ("critical", "warning", "none")


def test_alerts_are_raised_and_end_as_they_are_meant_to(tmp_path):
    try:
        tester = rule_tester.program()
    except rule_tester.Missing as missing:
        pytest.skip(str(missing))
    (tmp_path / RULES).write_text(text())
    (tmp_path / "cases.yaml").write_text(json.dumps(unit_tests()))
    command = [tester, "unittest", "--files=cases.yaml", "--disableAlertgroupLabel"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

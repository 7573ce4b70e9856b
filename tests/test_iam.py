"""The evaluator of IAM policies that other tests lean on."""

import pytest

from tests import iam


def policy(**statement):
    return {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:b/*", **statement}]}


def test_only_what_is_allowed_is():
    assert iam.allowed([policy()], "s3:GetObject", "arn:b/one/two")
    assert iam.allowed([policy(Action=["s3:Put*", "S3:getobject"])], "s3:GetObject", "arn:b/one")
    assert not iam.allowed([policy()], "s3:PutObject", "arn:b/one")
    assert not iam.allowed([policy()], "s3:GetObject", "arn:bb/one")
    assert not iam.allowed([policy(Resource="arn:b/?")], "s3:GetObject", "arn:b/one")
    assert not iam.allowed([], "s3:GetObject", "arn:b/one")


def test_a_denial_wins():
    assert not iam.allowed([policy(), policy(Effect="Deny")], "s3:GetObject", "arn:b/one")
    assert iam.allowed([policy(), policy(Effect="Deny", Action="s3:PutObject")], "s3:GetObject", "arn:b/one")


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "holds"),
    [
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", None, False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", "a", None, True),
        ("StringNotEquals", "a", "a", False),
        ("ArnLike", "arn:*:x", "arn:aws:x", True),
        ("ArnLike", "arn:*:x", None, False),
        ("Bool", "true", "true", True),
        ("Bool", "true", None, False),
    ],
)
def test_conditions(operator, wanted, value, holds):
    context = {} if value is None else {"key": value}
    conditional = policy(Condition={operator: {"key": wanted}})
    assert iam.allowed([conditional], "s3:GetObject", "arn:b/one", context) == holds


def test_principals():
    open_to_one = policy(Principal={"AWS": ["arn:one"], "Service": "logs"})
    assert iam.allowed([open_to_one], "s3:GetObject", "arn:b/one", {}, {"AWS": "arn:one"})
    assert not iam.allowed([open_to_one], "s3:GetObject", "arn:b/one", {}, {"AWS": "logs"})
    assert iam.allowed([policy(Principal="*")], "s3:GetObject", "arn:b/one", {}, {"AWS": "arn:two"})
    assert not iam.allowed([policy()], "s3:GetObject", "arn:b/one", {}, {"AWS": "arn:one"})


def test_what_it_does_not_know_is_an_error():
    with pytest.raises(NotImplementedError, match="NotAction"):
        iam.allowed([policy(NotAction="s3:*")], "s3:GetObject", "arn:b/one")
    with pytest.raises(KeyError, match="IpAddress"):
        iam.allowed([policy(Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}})], "s3:GetObject", "arn:b/one")

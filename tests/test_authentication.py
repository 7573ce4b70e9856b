"""Issuers of tokens in the definition, and what the API server reads of them."""

import copy
import json
from dataclasses import replace

import golden
import pytest
from strategies import write

from generator import release
from generator.components.authentication import configuration
from generator.errors import InvalidFile
from generator.schema import load
from tests.outside import authority

MINIMAL = {
    "issuer": {"url": "https://login.example.com", "audiences": ["star-wars"]},
    "claimMappings": {"username": {"claim": "sub", "prefix": "oidc:"}},
}
WHOLE = {
    "issuer": {
        "url": "https://login.example.com/realms/1",
        "discoveryURL": "https://oidc.example.com:8443/.well-known/openid-configuration",
        "audiences": ["star-wars", "https://star-wars.example.com"],
        "audienceMatchPolicy": "MatchAny",
    },
    "claimMappings": {
        "username": {"expression": "'oidc:' + claims.email"},
        "groups": {"claim": "groups", "prefix": ""},
        "uid": {"claim": "sub"},
        "extra": [{"key": "example.com/tenant", "valueExpression": "claims.tenant"}],
    },
    "claimValidationRules": [
        {"claim": "hd", "requiredValue": ""},
        {"expression": "claims.?email_verified.orValue(false) == true", "message": "unverified"},
    ],
    "userValidationRules": [{"expression": "user.username.endsWith('@example.com')", "message": "not ours"}],
}


def loaded(folder, *authenticators):
    content = {
        "apiVersion": "anywhere/v1",
        "kind": "Cluster",
        "metadata": {"name": "star-wars"},
        "spec": {"workers": {"count": 1}, "access": {"authentication": list(authenticators)}},
    }
    return load(write(folder / "cluster.yaml", content))


def changed(authenticator, path, value):
    """A copy that has `value` at a dotted path, or lacks it where it is None."""
    made = copy.deepcopy(authenticator)
    *around, last = path.split(".")
    inner = made
    for key in around:
        inner = inner[int(key) if key.isdigit() else key]
    inner.pop(last, None)
    if value is not None:
        inner[last] = value
    return made


@pytest.mark.parametrize("authenticator", [MINIMAL, WHOLE])
def test_it_reaches_the_api_server_as_it_is_written(tmp_path, authenticator):
    (found,) = loaded(tmp_path, authenticator).authentication
    assert found == authenticator


def test_the_authority_may_be_a_file_beside_the_definition(tmp_path):
    authority(tmp_path / "login", "login.example.com")
    pem = (tmp_path / "login" / "ca.crt").read_text()
    (tmp_path / "ca.pem").write_text(f"about it\n{pem}")
    for said in ("ca.pem", pem):
        (found,) = loaded(tmp_path, changed(MINIMAL, "issuer.certificateAuthority", said)).authentication
        assert found["issuer"]["certificateAuthority"] == pem


WRONG = [
    ("issuer.url", "http://login.example.com", "issuer.url", "is not an https URL"),
    ("issuer.url", "https://", "issuer.url", "is not an https URL"),
    ("issuer.url", "https://me:secret@login.example.com", "issuer.url", "has a login"),
    ("issuer.url", "https://login.example.com?a=b", "issuer.url", "a query"),
    ("issuer.url", "https://kubernetes.default.svc.cluster.local", "issuer.url", "is the cluster itself"),
    ("issuer.url", None, "issuer.url", "is missing"),
    ("issuer.discoveryURL", "https://login.example.com/", "issuer", "has its url as its discoveryURL"),
    ("issuer.audiences", [], "issuer.audiences", "should not be empty"),
    ("issuer.audiences", ["a", "a"], "issuer.audiences", 'has the audience "a" twice'),
    ("issuer.audiences", ["a", "b"], "issuer", "has several audiences"),
    ("issuer.audienceMatchPolicy", "MatchAll", "issuer.audienceMatchPolicy", "should be MatchAny"),
    ("issuer.certificateAuthority", "nowhere.pem", "issuer.certificateAuthority", "cannot be read"),
    ("issuer.egressSelectorType", "cluster", "issuer.egressSelectorType", "is not a known key"),
    ("claimMappings.username", None, "claimMappings.username", "is missing"),
    ("claimMappings.username", {"claim": "sub"}, "claimMappings.username", "has no prefix"),
    ("claimMappings.username", {"prefix": "a"}, "claimMappings.username", "a claim or an expression"),
    ("claimMappings.username.prefix", "system:", "claimMappings.username", "is kept for parts of the cluster"),
    ("claimMappings.username.expression", "claims.sub", "claimMappings.username", "a claim or an expression"),
    ("claimMappings.groups", {"expression": "claims.g", "prefix": ""}, "claimMappings.groups", "has a prefix beside"),
    ("claimMappings.uid", {}, "claimMappings.uid", "a claim or an expression"),
    ("claimMappings.extra", [{"key": "tenant", "valueExpression": "a"}], "claimMappings.extra[0].key", "wrong form"),
    (
        *("claimMappings.extra", [{"key": "a.k8s.io/b", "valueExpression": "a"}]),
        *("claimMappings.extra[0].key", "is a key that Kubernetes keeps to itself"),
    ),
    ("claimMappings.username", {"expression": "claims.email"}, "", "no expression asks for claims.email_verified"),
    ("claimValidationRules", [{"claim": "a", "message": "b"}], "claimValidationRules[0]", "has a message"),
    ("claimValidationRules", [{"message": "b"}], "claimValidationRules[0]", "a claim or an expression"),
    (
        *("claimValidationRules", [{"expression": "a", "requiredValue": "b"}]),
        *("claimValidationRules[0]", "has a requiredValue"),
    ),
    ("claimValidationRules", [{"expression": "a"}, {"expression": "a"}], "", 'has the expression "a" twice'),
    ("userValidationRules", [{"expression": "a"}, {"expression": "a"}], "", 'has the expression "a" twice'),
    ("userValidationRules", [{"message": "a"}], "userValidationRules[0].expression", "is missing"),
]


@pytest.mark.parametrize(("path", "value", "where", "said"), WRONG)
def test_what_the_api_server_would_not_start_with_is_refused(tmp_path, path, value, where, said):
    with pytest.raises(InvalidFile) as refused:
        loaded(tmp_path, changed(MINIMAL, path, value))
    (problem,) = refused.value.problems
    assert said in problem.message
    assert problem.path == f"spec.access.authentication[0].{where}".removesuffix(".")
    assert problem.line > 1


def test_each_issuer_is_there_once(tmp_path):
    with pytest.raises(InvalidFile, match=r'has the issuer "https://login\.example\.com" twice'):
        loaded(tmp_path, MINIMAL, MINIMAL)
    many = [changed(MINIMAL, "issuer.url", f"https://login{n}.example.com") for n in range(65)]
    assert len(loaded(tmp_path, *many[:64]).authentication) == 64
    with pytest.raises(InvalidFile, match="64 are the most"):
        loaded(tmp_path, *many)


def apiserver(*authenticators):
    definition, lock, machines = golden.load("star-wars")
    definition = replace(definition, authentication=authenticators)
    content = json.loads(release.document(definition, lock, machines, "a" * 64, golden.secrets(machines)))
    parts = {part["component"]: part for part in content["roles"]["master"]["containers"]}
    return parts["kube-apiserver"], content


def test_the_api_server_alone_reads_it():
    before, without = apiserver()
    after, content = apiserver(MINIMAL)
    (flag,) = set(after["command"]) - set(before["command"])
    assert flag == "--authentication-config=/etc/kubernetes/kube-apiserver/authentication.yaml"
    assert after["files"].keys() - before["files"].keys() == {"authentication.yaml"}
    after["command"].remove(flag)
    del after["files"]["authentication.yaml"]
    assert content == without


def test_anonymous_requests_stay_as_they_are():
    """Health checks ask without a name, and a file that says nothing of them leaves the flag's default."""
    content = json.loads(configuration([MINIMAL]))
    assert (content["apiVersion"], content["kind"]) == ("apiserver.config.k8s.io/v1", "AuthenticationConfiguration")
    assert "anonymous" not in content
    assert not any("anonymous" in word for word in apiserver(MINIMAL)[0]["command"])


def test_no_token_makes_a_part_of_the_cluster():
    """Whatever the issuer says, and beside what the definition demands."""
    first, second = json.loads(configuration([MINIMAL, WHOLE]))["jwt"]
    assert second["userValidationRules"][0] == WHOLE["userValidationRules"][0]
    for found in (first, second):
        said = [rule["expression"] for rule in found["userValidationRules"][-2:]]
        assert "user.username.matches" in said[0] and "user.groups.all" in said[1]
        assert all("^(system:|anywhere[:-])" in expression for expression in said)
    assert {k: v for k, v in first.items() if k != "userValidationRules"} == MINIMAL

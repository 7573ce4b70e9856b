"""Who may use a cluster, and components with settings of the definition's own. Tests run in the order they stand."""

import copy
import json
import subprocess

import pytest
from ruamel.yaml import YAML

from tests.e2e import containers
from tests.e2e.issuer import Issuer

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
WORKER = "worker-general-1"
AUDIENCE = "e2e"
BINDING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: "{name}"}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
subjects:
  - {{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "{name}"}}
"""


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape()) as made:
        yield made


@pytest.fixture(scope="module")
def issuer(cluster, tmp_path_factory):
    """One on the worker, where the API server reaches it as it would reach any other machine."""
    address = json.loads((cluster.kubeconfig.parent / "terraform.tfvars.json").read_text())
    made = Issuer(tmp_path_factory.mktemp("issuer"), worker_address(address))
    made.start(cluster, WORKER)
    return made


def worker_address(variables):
    network = variables["network"]["machines"].partition("/")[0].split(".")
    offset = variables["pools"]["general"]["offset"] + 1
    return f"{network[0]}.{network[1]}.{offset // 256}.{offset % 256}"


def person(cluster, *words):
    """The cluster as the person sees it whom `anywhere kubeconfig --user` gives a way in."""
    cluster.anywhere("kubeconfig", "--user", *words)
    seen = copy.copy(cluster)
    seen.kubeconfig = cluster.kubeconfig.parent / f"{words[0]}.kubeconfig"
    return seen


def bearer(cluster, token):
    """The cluster as somebody with a token sees it."""
    config = YAML(typ="safe").load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    seen = copy.copy(cluster)
    seen.kubeconfig = cluster.kubeconfig.with_name("bearer.kubeconfig")
    seen.kubeconfig.write_text(json.dumps(config))
    return seen


def answer(cluster, *words):
    """What kubectl prints, of errors too."""
    command = cluster.command(str(cluster.program), "kubectl", "--kubeconfig", str(cluster.kubeconfig), *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def whoami(cluster):
    """Name and groups."""
    user = json.loads(cluster.kubectl("auth", "whoami", "--output=json"))["status"]["userInfo"]
    return user["username"], set(user["groups"])


def test_a_person_is_known_by_name_and_may_do_what_their_group_may(cluster):
    alice = person(cluster, "alice@example.com", "--group", "developers", "--ttl", "1h")
    assert whoami(alice) == ("alice@example.com", {"developers", "system:authenticated"})
    assert 'User "alice@example.com" cannot list resource "pods"' in answer(alice, "get", "pods")
    cluster.apply_manifest(BINDING.format(name="developers"))
    cluster.until("what the binding grants", lambda: "No resources found" in answer(alice, "get", "pods"), 30)
    assert "cannot list resource" in answer(alice, "get", "secrets")


def test_the_audit_log_tells_people_apart(cluster):
    person(cluster, "bob").kubectl("auth", "whoami")
    person(cluster, "alice@example.com", "--group", "developers").kubectl("get", "pods")
    log = cluster.on("master1", "sudo cat /var/log/kubernetes/audit.log").splitlines()
    events = [json.loads(line) for line in log if line.startswith("{")]
    # Whoever was refused has no name, and some requests are for no object.
    verbs = {(e["user"].get("username"), e["verb"], e.get("objectRef", {}).get("resource")) for e in events}
    assert ("alice@example.com", "list", "pods") in verbs
    assert ("bob", "create", "selfsubjectreviews") in verbs
    assert ("bob", "list", "pods") not in verbs


def test_a_certificate_ends_when_it_was_said_to(cluster):
    carol = person(cluster, "carol", "--ttl", "2m")
    assert whoami(carol)[0] == "carol"
    cluster.until("the end", lambda: "Unauthorized" in answer(carol, "auth", "whoami"), 300)


def test_what_the_definition_says_of_components_reaches_them_while_they_run(cluster, issuer):
    text = cluster.file.read_text()
    spec = YAML(typ="safe").load(text)["spec"]
    spec["workers"]["max_pods"], spec["masters"]["max_pods"] = 33, 44
    spec["access"]["api_names"] = ["api.example.com"]
    spec["access"]["authentication"] = [
        {
            "issuer": {
                "url": issuer.url,
                "audiences": [AUDIENCE],
                "certificateAuthority": issuer.ca.read_text(),
            },
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "oidc:"},
                "groups": {"claim": "groups", "prefix": ""},
            },
        }
    ]
    spec["components"] = {
        "kube-apiserver": {"flags": {"max-requests-inflight": 321, "profiling": True}},
        "kube-scheduler": {"flags": {"kube-api-qps": 77}},
        "kubelet": {
            "config": {"podPidsLimit": 777},
            "flags": {"maximum-dead-containers": 7},
        },
        "etcd": {"flags": {"quota-backend-bytes": 4294967296}},
        "kube-proxy": {"flags": {"iptables-sync-period": "44s"}},
    }
    content = YAML(typ="safe").load(text)
    content["spec"] = spec
    cluster.file.write_text(json.dumps(content))
    cluster.apply()
    commands = cluster.on("master1", "sudo docker ps -q | xargs sudo docker inspect -f '{{.Config.Cmd}}'")
    for word in (
        *("--max-requests-inflight=321", "--profiling=true", "--kube-api-qps=77", "--maximum-dead-containers=7"),
        *("--quota-backend-bytes=4294967296", "--iptables-sync-period=44s", "--max-pods=44"),
    ):
        assert word in commands, word
    assert "--profiling=false" in commands, "the scheduler's own"


def test_each_node_takes_as_many_pods_as_its_pool_says(cluster):
    def capacity():
        return {n["metadata"]["name"]: n["status"]["capacity"]["pods"] for n in cluster.get("nodes")["items"]}

    cluster.until("the capacity", lambda: capacity() == {"master1": "44", WORKER: "33"}, 120)
    for machine, pods in (("master1", 44), (WORKER, 33)):
        config = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{machine}/proxy/configz"))["kubeletconfig"]
        assert (config["maxPods"], config["podPidsLimit"]) == (pods, 777)


def test_a_token_of_the_issuer_is_a_user(cluster, issuer):
    dave = bearer(cluster, issuer.token(sub="dave", aud=AUDIENCE, groups=["testers"]))
    cluster.until("the issuer's keys in the API server", lambda: "oidc:dave" in answer(dave, "auth", "whoami"), 60)
    assert whoami(dave) == ("oidc:dave", {"testers", "system:authenticated"})
    assert 'User "oidc:dave" cannot list resource "pods"' in answer(dave, "get", "pods")
    cluster.apply_manifest(BINDING.format(name="testers"))
    cluster.until("what the binding grants", lambda: "No resources found" in answer(dave, "get", "pods"), 30)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "dave", "aud": "another"},
        {"sub": "dave", "aud": AUDIENCE, "exp": 1},
        {"sub": "dave", "aud": AUDIENCE, "iss": "https://other.example.com"},
        {"sub": "dave", "aud": AUDIENCE, "groups": ["system:masters"]},
        {"sub": "dave", "aud": AUDIENCE, "groups": ["testers", "anywhere:kubelet-api"]},
        {"aud": AUDIENCE},
    ],
)
def test_other_tokens_are_refused(cluster, issuer, claims):
    assert "Unauthorized" in answer(bearer(cluster, issuer.token(**claims)), "auth", "whoami")


def test_a_token_without_groups_is_taken(cluster, issuer):
    assert whoami(bearer(cluster, issuer.token(sub="erin", aud=AUDIENCE)))[0] == "oidc:erin"


def test_what_worked_before_still_does(cluster):
    """Certificates, and whoever asks without a name for no more than whether the API is well."""
    assert whoami(person(cluster, "alice@example.com"))[0] == "alice@example.com"
    ask = "curl -sk -o /dev/null -w '%{http_code}' https://127.0.0.1:6443"
    assert cluster.on("master1", f"{ask}/readyz") == "200"
    assert cluster.on("master1", f"{ask}/api/v1/nodes") == "403"
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_the_api_has_the_names_of_the_definition(cluster):
    words = ("--tls-server-name=api.example.com", "get", "nodes")
    assert WORKER in answer(cluster, *words)
    assert "not api.example.org" in answer(cluster, "--tls-server-name=api.example.org", "get", "nodes")

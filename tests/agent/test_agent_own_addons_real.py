"""The cluster's own add-ons towards a real API server: what it takes, what it refuses, and what is deleted again."""

import json

from agent import own_addons
from test_agent_addons_real import ACCOUNT, is_there, recorded

pytest_plugins = ["addons_cluster"]
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def made(kind, name, version="v1", **more):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


def shop(*objects):
    return {"name": "shop", "namespace": "shop", "version": "1", "objects": [made("Namespace", "shop"), *objects]}


def problems(cluster):
    return json.loads(cluster.api.call("GET", own_addons.PATH)["data"]["shop"])["problems"]


def test_own_add_ons_bring_kinds_and_namespaces_of_their_own(cluster, apply):
    config, role = (
        made("ConfigMap", "web", data={"a": "b"}),
        made("ClusterRole", "shop:see", "rbac.authorization.k8s.io/v1"),
    )
    widget = made("Widget", "one", "example.com/v1", spec={"size": 1})
    paths = [
        "/api/v1/namespaces/shop/configmaps/web",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/shop:see",
        "/apis/example.com/v1/namespaces/shop/widgets/one",
    ]
    apply("dns", own=[shop(widget, config, role, DEFINITION)])
    assert problems(cluster) == [] and all(is_there(cluster, path) for path in paths)
    assert set(paths) <= recorded(cluster)
    apply("dns", own=[shop({**widget, "spec": {"size": 2}}, DEFINITION)])
    assert [is_there(cluster, path) for path in paths] == [False, False, True]
    assert cluster.api.call("GET", paths[2])["spec"] == {"size": 2}
    apply("dns")
    assert not any(is_there(cluster, path) for path in paths) and is_there(cluster, ACCOUNT)
    assert is_there(cluster, "/api/v1/namespaces/shop")


def test_what_a_real_api_server_refuses_of_an_own_add_on(cluster, apply):
    broken = made("Deployment", "web", "apps/v1", spec={"replicas": "one"})
    apply("dns", own=[shop(broken, made("Gadget", "one", "example.org/v1"), made("ConfigMap", "beside"))])
    assert is_there(cluster, "/api/v1/namespaces/shop/configmaps/beside") and is_there(cluster, ACCOUNT)
    deployment, gadget = problems(cluster)
    assert deployment.startswith("Deployment web: ") and ".spec.replicas" in deployment
    assert gadget == "Gadget one: the API has no kind Gadget in example.org/v1"
    apply("dns")

"""The cluster's own add-ons: applied where the API has them, one by one, and deleted again."""

import json

import pytest
from agent import addon_record, addons, discovery, kubectl, own_addons
from agent.api import ApiError
from node_api import Api as Objects
from releases import release

CORE, APPS, SHOP = "/api/v1", "/apis/apps/v1", "/apis/example.com/v1"
KINDS = {
    CORE: [("Namespace", "namespaces", False), ("ConfigMap", "configmaps", True), ("Service", "services", True)],
    APPS: [("Deployment", "deployments", True)],
    "/apis/apiextensions.k8s.io/v1": [("CustomResourceDefinition", "customresourcedefinitions", False)],
}


class Api(Objects):
    """The same with discovery. A definition of Widget brings that kind; `refused` are answers by path."""

    def __init__(self):
        super().__init__()
        self.refused, self.asked = {}, []

    def call(self, method, path, body=None, kind=""):
        if answer := self.refused.get(path):
            raise ApiError(f"{method} {path}", *answer)
        if method == "GET" and path in (*KINDS, SHOP):
            self.asked.append(path)
            return {"resources": list(self.resources(path))}
        return super().call(method, path, body, kind)

    def resources(self, root):
        kinds = KINDS.get(root)
        if root == SHOP and any("customresourcedefinitions" in path for path in self.objects):
            kinds = [("Widget", "widgets", True)]
        if kinds is None:
            raise ApiError(f"GET {root}", 404, "the server could not find the requested resource")
        for kind, plural, namespaced in kinds:
            yield {"kind": "Scale", "name": f"{plural}/scale", "namespaced": namespaced}
            yield {"kind": kind, "name": plural, "namespaced": namespaced}

    def apply_one(self, path, content):
        if answer := self.refused.get(path):
            raise ApiError(f"PATCH {path}", *answer)
        return super().apply_one(path, content)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """An API, and a master that applies own add-ons to it; `run` does so, of a release with these."""
    api = Api()
    monkeypatch.setattr(kubectl, "api", lambda: api)
    for module in (addons, own_addons):
        monkeypatch.setattr(module, "STATE", tmp_path)
    monkeypatch.setattr(own_addons, "KIND_SECONDS", 0)
    monkeypatch.setattr("agent.host.time.sleep", lambda seconds: None)
    api.apply([(addon_record.PATH, addon_record.EMPTY)])  # as the add-ons of anywhere leave it

    def run(*own):
        api.calls.clear()
        own_addons.apply({**release("ha"), "own_addons": list(own)})
        return api.calls

    api.run = run
    return api


def addon(name, *objects, namespace="default", version="1"):
    return {"name": name, "namespace": namespace, "version": version, "objects": list(objects)}


def made(kind, name, version="v1", **metadata):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}


DEPLOYMENT = made("Deployment", "web", "apps/v1")
WIDGET = made("Widget", "one", "example.com/v1")
DEFINITION = made("CustomResourceDefinition", "widgets.example.com", "apiextensions.k8s.io/v1")


def objects(api):
    return sorted(api.objects.keys() - {addon_record.PATH, own_addons.PATH})


def told(api):
    return {name: json.loads(word) for name, word in api.objects[own_addons.PATH]["data"].items()}


def test_each_object_is_applied_where_the_api_has_its_kind(cluster):
    cluster.run(addon("shop", DEPLOYMENT, made("Namespace", "shop"), made("ConfigMap", "a:b", namespace="other")))
    assert [path for method, path in cluster.calls if method == "APPLY"][:3] == [
        "/api/v1/namespaces/shop",  # first, as the others may be in it
        "/apis/apps/v1/namespaces/default/deployments/web",
        "/api/v1/namespaces/other/configmaps/a:b",
    ]
    assert cluster.asked == [CORE, APPS]  # once each
    assert told(cluster) == {"shop": {"version": "1", "problems": [], "more": 0}}


def test_where_no_namespace_is_named_that_of_the_add_on_is_taken(cluster):
    cluster.run(addon("shop", DEPLOYMENT, namespace="shop"))
    assert objects(cluster) == ["/apis/apps/v1/namespaces/shop/deployments/web"]


def test_what_is_applied_stands_for_a_while(cluster, monkeypatch):
    shop = addon("shop", DEPLOYMENT)
    assert cluster.run(shop) and not cluster.run(shop)
    monkeypatch.setattr(own_addons, "AGAIN_SECONDS", 0)
    assert cluster.run(shop)


def test_without_add_ons_of_its_own_a_cluster_has_no_word_on_any(cluster):
    cluster.run()
    assert own_addons.PATH not in cluster.objects


def test_an_object_of_a_kind_that_the_same_add_on_defines(cluster, monkeypatch):
    monkeypatch.setattr(own_addons, "KIND_SECONDS", 5)
    cluster.run(addon("shop", WIDGET, DEFINITION))
    assert f"{SHOP}/namespaces/default/widgets/one" in objects(cluster)
    assert told(cluster)["shop"]["problems"] == []


def test_a_kind_that_is_not_there_holds_up_nothing_and_is_tried_again(cluster):
    shop, kinds = addon("shop", WIDGET, DEPLOYMENT), addon("kinds", DEFINITION)
    cluster.run(shop)
    assert objects(cluster) == ["/apis/apps/v1/namespaces/default/deployments/web"]
    assert told(cluster)["shop"]["problems"] == ["Widget one: the API has no kind Widget in example.com/v1"]
    assert cluster.run(shop)  # though nothing changed
    cluster.run(shop, kinds)
    assert f"{SHOP}/namespaces/default/widgets/one" in objects(cluster)
    assert not cluster.run(shop, kinds)


def test_what_the_api_refuses_is_told_in_its_words(cluster, capsys):
    cluster.refused["/apis/apps/v1/namespaces/default/deployments/web"] = 422, "spec.selector: Required value"
    shop, other = addon("shop", DEPLOYMENT, made("Service", "web")), addon("other", made("ConfigMap", "a"))
    cluster.run(shop, other)
    assert objects(cluster) == ["/api/v1/namespaces/default/configmaps/a", "/api/v1/namespaces/default/services/web"]
    assert told(cluster)["shop"]["problems"] == ["Deployment web: spec.selector: Required value"]
    assert told(cluster)["other"]["problems"] == []
    assert "add-on shop: Deployment web: spec.selector: Required value" in capsys.readouterr().out
    cluster.refused.clear()
    cluster.run(shop, other)
    assert told(cluster)["shop"]["problems"] == []


def test_only_the_first_problems_are_told(cluster):
    many = [made("Widget", f"w{number}", "example.com/v1") for number in range(7)]
    cluster.run(addon("shop", *many))
    assert len(told(cluster)["shop"]["problems"]) == 5 and told(cluster)["shop"]["more"] == 2


def test_what_leaves_is_deleted_but_for_what_holds_things_of_users(cluster):
    cluster.run(addon("shop", made("Namespace", "shop"), DEFINITION, DEPLOYMENT, made("Service", "web")))
    cluster.run(addon("shop", DEPLOYMENT, version="2"))
    assert "/api/v1/namespaces/default/services/web" not in objects(cluster)
    cluster.run()
    kept = ["/api/v1/namespaces/shop", f"{discovery.root_of(DEFINITION)}/customresourcedefinitions/widgets.example.com"]
    assert objects(cluster) == kept and told(cluster) == {}


def test_what_is_refused_now_is_not_deleted(cluster):
    cluster.run(addon("shop", DEPLOYMENT))
    cluster.refused["/apis/apps/v1/namespaces/default/deployments/web"] = 422, "no"
    cluster.run(addon("shop", {**DEPLOYMENT, "spec": {}}, version="2"))
    assert objects(cluster) == ["/apis/apps/v1/namespaces/default/deployments/web"]


def test_where_the_api_does_not_say_what_it_has_nothing_of_it_is_deleted(cluster):
    cluster.run(addon("shop", DEFINITION, WIDGET, made("Service", "web")))
    cluster.run(addon("shop", DEFINITION, WIDGET, made("Service", "web")))
    cluster.refused[SHOP] = 503, "service unavailable"
    cluster.run(addon("shop", DEFINITION, {**WIDGET, "spec": {}}, version="2"))
    assert f"{SHOP}/namespaces/default/widgets/one" in objects(cluster)
    assert "/api/v1/namespaces/default/services/web" not in objects(cluster)
    assert told(cluster)["shop"]["problems"] == ["Widget one: service unavailable"]


def test_a_master_that_only_applies_again_deletes_nothing(cluster, monkeypatch):
    """It may be the last to have an old release; also where something of that is refused each time."""
    shop = addon("shop", DEPLOYMENT, WIDGET)
    cluster.run(shop)
    cluster.apply([("/api/v1/namespaces/default/services/web", "{}")], lambda p, u: addon_record.add(cluster, {p: u}))
    assert cluster.run(shop)
    assert "/api/v1/namespaces/default/services/web" in objects(cluster)


def test_what_was_made_before_the_api_went_away_is_recorded(cluster, monkeypatch):
    got = cluster.apply_one

    def broken(path, content):
        if path.endswith("/services/web"):
            raise OSError("connection refused")
        return got(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "apply_one", broken)
        with pytest.raises(OSError, match="connection refused"):
            cluster.run(addon("shop", DEPLOYMENT, made("Service", "web")))
    cluster.run()
    assert objects(cluster) == []


def test_what_stood_before_a_refusal_is_applied_again(cluster):
    """Of the release that was refused, some is applied already."""
    before = addon("shop", made("ConfigMap", "prices"))
    cluster.run(before)
    cluster.refused[f"{CORE}/namespaces/default/configmaps/other"] = (422, "no")
    cluster.run(addon("shop", made("ConfigMap", "prices"), made("ConfigMap", "other"), version="2"))
    assert any(method == "PATCH" for method, _ in cluster.run(before))


def test_a_word_that_cannot_be_read_is_not_taken_for_none(cluster, monkeypatch):
    call = cluster.call

    def slow(method, path, *rest):
        if (method, path) == ("GET", own_addons.PATH):
            raise ApiError(f"GET {path}", 500, "etcd is slow")
        return call(method, path, *rest)

    monkeypatch.setattr(cluster, "call", slow)
    with pytest.raises(ApiError, match="500"):
        cluster.run(addon("shop", made("ConfigMap", "prices")))

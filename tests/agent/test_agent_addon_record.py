"""What add-ons no longer have is deleted, and nothing else."""

import hashlib
import json
from contextlib import nullcontext

import pytest
from agent import addon_record, addons, bundle, kubectl, own_addons
from agent.api import ApiError
from node_api import Api
from releases import release

CORE, APPS = "/api/v1/namespaces/kube-system", "/apis/apps/v1/namespaces/kube-system"
SERVICE, DEPLOYMENT = f"{CORE}/services/dns", f"{APPS}/deployments/dns"
NAMESPACE, KIND = "/api/v1/namespaces/mine", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.example.com"
API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"


def apply(api, *paths):
    """As the agent does it for a new release."""
    made = {}
    api.apply(((path, json.dumps({"metadata": {"name": path.rpartition("/")[2]}})) for path in paths), made.__setitem__)
    addon_record.add(api, made)
    addon_record.prune(api, paths)


def objects(api):
    return api.objects.keys() - {addon_record.PATH}


def recorded(api):
    entries = [entry.split(" ") for entry in api.objects[addon_record.PATH]["data"].values()]
    assert all(uid == api.objects[path]["metadata"]["uid"] for uid, path in entries if path in api.objects)
    return sorted(path for _, path in entries)


def deleted(api):
    return [path for method, path in api.calls if method == "DELETE"]


def test_what_is_no_longer_applied_is_deleted_and_forgotten():
    api = Api()
    apply(api, SERVICE, DEPLOYMENT)
    assert recorded(api) == sorted([SERVICE, DEPLOYMENT])
    apply(api, DEPLOYMENT)
    assert objects(api) == {DEPLOYMENT} and recorded(api) == [DEPLOYMENT]
    apply(api)
    assert objects(api) == set() and recorded(api) == []


@pytest.mark.parametrize(("status", "kept"), [(404, []), (409, []), (403, [SERVICE]), (500, [SERVICE])])
def test_what_the_api_does_not_delete_is_forgotten_only_where_it_is_gone_or_anothers(monkeypatch, status, kept):
    api = Api()
    apply(api, SERVICE)
    call = api.call

    def refusing(method, path, *rest):
        if method == "DELETE":
            raise ApiError(f"DELETE {path}", status, "")
        return call(method, path, *rest)

    monkeypatch.setattr(api, "call", refusing)
    with pytest.raises(ApiError, match=str(status)) if kept else nullcontext():
        apply(api)
    assert recorded(api) == kept


@pytest.mark.parametrize("entry", ["", "no path", "uid /api", "uid /etc/passwd/a/b", f"uid {SERVICE} more"])
def test_an_entry_that_no_master_wrote_stops_nothing(entry):
    api = Api()
    apply(api, SERVICE, DEPLOYMENT)
    api.objects[addon_record.PATH]["data"]["x"] = entry
    apply(api)
    assert objects(api) == set() and sorted(deleted(api)) == sorted([SERVICE, DEPLOYMENT])


def test_what_nobody_recorded_stays():
    api = Api()
    api.apply([(f"{CORE}/services/mine", "{}")])
    apply(api, SERVICE)
    apply(api)
    assert objects(api) == {f"{CORE}/services/mine"}


def test_what_a_user_made_in_the_place_of_an_object_stays():
    api = Api()
    apply(api, SERVICE, DEPLOYMENT)
    api.objects[SERVICE]["metadata"]["uid"] = "another"
    apply(api)
    assert objects(api) == {SERVICE} and recorded(api) == []


def test_what_is_gone_already_is_forgotten():
    api = Api()
    apply(api, SERVICE, DEPLOYMENT)
    del api.objects[SERVICE]
    apply(api, DEPLOYMENT)
    assert recorded(api) == [DEPLOYMENT] and objects(api) == {DEPLOYMENT}


def test_another_version_of_the_api_is_the_same_object():
    api = Api()
    before, after = (f"/apis/policy/{v}/namespaces/kube-system/poddisruptionbudgets/dns" for v in ("v1beta1", "v1"))
    apply(api, before)
    apply(api, after)
    assert recorded(api) == [after] and deleted(api) == []


def test_a_group_of_the_api_is_part_of_what_an_object_is():
    paths = [DEPLOYMENT, DEPLOYMENT.replace("apps", "other"), f"{CORE}/deployments/dns"]
    assert len({addon_record._key(path) for path in paths}) == 3


def test_what_the_api_server_asks_goes_first():
    api = Api()
    apply(api, SERVICE, DEPLOYMENT, API_SERVICE)
    apply(api)
    assert deleted(api)[0] == API_SERVICE and len(deleted(api)) == 3


def test_what_may_hold_things_of_users_stays():
    api = Api()
    claim = f"{CORE}/persistentvolumeclaims/registry"
    apply(api, NAMESPACE, KIND, SERVICE, claim)
    apply(api)
    assert objects(api) == {NAMESPACE, KIND, claim}


def test_entries_of_another_master_stay():
    api = Api()
    apply(api, SERVICE)
    addon_record.add(api, {DEPLOYMENT: "1"})
    assert recorded(api) == sorted([SERVICE, DEPLOYMENT])


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """An API, and a master that applies add-ons to it; `apply` does so, of a release with these manifests."""
    api = Api()
    monkeypatch.setattr(kubectl, "api", lambda: api)
    monkeypatch.setattr(kubectl, "KEYS", tmp_path)
    for module in (addons, own_addons):
        monkeypatch.setattr(module, "STATE", tmp_path)
    (tmp_path / addons.TOKEN).write_text(f"# {CORE}/secrets/token\n{{}}")

    def apply(**cluster):
        made = {f"{name}.yaml": manifest(path) for name, path in cluster.items()}
        found = {
            **release("ha"),
            "addons": {"bootstrap": {"own.yaml": manifest(f"{CORE}/services/own")}, "cluster": made},
        }
        done = [addons.apply(found, group) for group in ("bootstrap", "cluster")]
        own_addons.apply(found)
        return done

    api.run = apply
    return api


def manifest(path):
    return f'# {path}\n{{"metadata": {{"name": "x"}}}}'


def test_an_add_on_that_leaves_the_release_leaves_the_cluster(cluster):
    assert cluster.run(dns=SERVICE, more=DEPLOYMENT) == [True, True]
    assert cluster.run(dns=SERVICE, more=DEPLOYMENT) == [False, False]
    cluster.run(dns=SERVICE)
    assert DEPLOYMENT not in objects(cluster) and SERVICE in objects(cluster)
    cluster.run()
    own, token = f"{CORE}/services/own", f"{CORE}/secrets/token"
    assert objects(cluster) == {own, token} and recorded(cluster) == [own]


def test_manifests_have_the_secret_files_that_they_name(monkeypatch):
    files = {"kube-apiserver": {"ca.crt": "one\ntwo\n"}}
    monkeypatch.setattr(bundle, "secrets", lambda release, component: files[component])
    forms = " ".join(f"@kube-apiserver/ca.crt:{form}@" for form in ("text", "base64", "sha256"))
    digest = hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert addons._filled(f"{forms} @EXPIRATION@", {}) == f"one\\ntwo\\n b25lCnR3bwo= {digest} @EXPIRATION@"


def test_a_master_that_only_applies_again_deletes_nothing(cluster, monkeypatch):
    """It may be the last to have an old release."""
    cluster.run(dns=SERVICE)
    cluster.apply([(DEPLOYMENT, "{}")], lambda path, uid: addon_record.add(cluster, {path: uid}))
    for module in (addons, own_addons):
        monkeypatch.setattr(module, "AGAIN_SECONDS", 0)
    assert cluster.run(dns=SERVICE)[1] is True
    assert DEPLOYMENT in objects(cluster)


def test_what_could_not_be_deleted_is_tried_again(cluster, monkeypatch):
    cluster.run(dns=SERVICE)
    with monkeypatch.context() as patch:
        patch.setattr(addon_record, "_delete", refuse)
        with pytest.raises(ApiError, match="503"):
            cluster.run()
    cluster.run()
    assert SERVICE not in objects(cluster)


def test_what_was_made_before_a_refusal_is_recorded(cluster, monkeypatch):
    got = cluster.apply

    def refusing(objects, made=lambda path, uid: None):
        for path, text in objects:
            if path == DEPLOYMENT:
                raise ApiError(f"PATCH {path}", 422, "")
            got([(path, text)], made)

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "apply", refusing)
        with pytest.raises(ApiError, match="422"):
            cluster.run(a=SERVICE, b=DEPLOYMENT)
    cluster.run()
    assert SERVICE not in objects(cluster)


def refuse(api, path, uid):
    raise ApiError(f"DELETE {path}", 503, "")

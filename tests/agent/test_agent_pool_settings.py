"""Labels and taints of nodes that are there: added, changed and removed, and those of others kept."""

import json

import pytest
from agent import pool_settings
from agent.api import ApiError
from agent.pool_settings import SET
from hypothesis import given
from hypothesis import strategies as st
from node_api import Api, node

NAME = "worker-batch-1"
POOL = {"node.kubernetes.io/pool": "batch"}
DEDICATED = {"key": "dedicated", "value": "batch", "effect": "NoSchedule"}
FOREIGN = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}


def settings(labels=(), taints=()):
    return {"labels": POOL | dict(labels), "taints": list(taints)}


def ensure(api, found, name=NAME):
    return pool_settings.ensure(api, api.seen(name), found)


def state(api, name=NAME):
    found = api.nodes[name]
    return found["metadata"]["labels"], found["spec"].get("taints", [])


def test_labels_and_taints_are_added_changed_and_removed_again():
    api = Api(node(NAME))
    assert ensure(api, settings({"tier": "one", "gone": "x"}, ["dedicated=batch:NoSchedule"]))
    assert state(api) == (POOL | {"tier": "one", "gone": "x"}, [DEDICATED])
    assert ensure(api, settings({"tier": "two"}, ["dedicated=other:NoSchedule", "slow=:NoExecute"]))
    taints = [DEDICATED | {"value": "other"}, {"key": "slow", "effect": "NoExecute"}]
    assert state(api) == (POOL | {"tier": "two"}, taints)
    assert ensure(api, settings())
    assert state(api) == (POOL, [])


def test_what_is_right_is_looked_at_and_left():
    api = Api(node(NAME))
    found = settings({"tier": "one"}, ["dedicated=batch:NoSchedule"])
    assert ensure(api, found)
    api.calls.clear()
    api.nodes[NAME]["spec"]["taints"].insert(0, FOREIGN)
    assert not ensure(api, found) and api.calls == []


def test_labels_and_taints_of_others_stay():
    api = Api(node(NAME, labels={"mine": "yes"}, taints=[FOREIGN]))
    for found in (settings({"tier": "one"}, ["dedicated=batch:NoSchedule"]), settings()):
        ensure(api, found)
        labels, taints = state(api)
        assert labels["mine"] == "yes" and FOREIGN in taints


def test_what_somebody_else_set_before_is_theirs_unless_the_release_has_it_too():
    api = Api(node(NAME, labels={"tier": "theirs"}, taints=[DEDICATED]))
    ensure(api, settings())
    assert state(api) == (POOL | {"tier": "theirs"}, [DEDICATED])


def test_what_somebody_removed_or_edited_is_brought_back():
    api = Api(node(NAME))
    found = settings({"tier": "one"}, ["dedicated=batch:NoSchedule"])
    ensure(api, found)
    api.nodes[NAME]["metadata"]["labels"]["tier"] = "edited"
    api.nodes[NAME]["spec"]["taints"] = []
    assert ensure(api, found)
    assert state(api) == (POOL | {"tier": "one"}, [DEDICATED])


def test_a_taint_of_another_effect_is_another():
    api = Api(node(NAME, taints=[DEDICATED | {"effect": "NoExecute"}]))
    ensure(api, settings((), ["dedicated=batch:NoSchedule"]))
    assert len(state(api)[1]) == 2


@pytest.mark.parametrize(("status", "harmless"), [(404, True), (409, True), (403, False), (500, False)])
def test_a_node_that_changed_meanwhile_is_looked_at_again(status, harmless):
    api = Api(node(NAME))
    seen = api.seen(NAME)
    if status == 404:
        api.nodes.clear()
    elif status == 409:
        api.nodes[NAME]["metadata"]["resourceVersion"] = "2"
        api.nodes[NAME]["spec"]["taints"] = [FOREIGN]
    else:
        api.call = lambda *_: (_ for _ in ()).throw(ApiError("PATCH", status, ""))
    if harmless:
        assert pool_settings.ensure(api, seen, settings({"tier": "one"}, ["dedicated=batch:NoSchedule"]))
        assert status == 404 or state(api) == (POOL, [FOREIGN])
    else:
        with pytest.raises(ApiError):
            pool_settings.ensure(api, seen, settings({"tier": "one"}))


def test_the_control_planes_taint_has_no_value():
    api = Api(node("master1"))
    taint = "node-role.kubernetes.io/control-plane=:NoSchedule"
    ensure(api, {"labels": {}, "taints": [taint]}, "master1")
    assert state(api, "master1")[1] == [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]


GROUPS = ["etcd", "master", "worker-a", "worker-a-1", "worker-batch", "worker-general"]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        (NAME, "worker-batch"), ("worker-general-12", "worker-general"), ("worker-general-x7k2", "worker-general"),
        ("master1", "master"), ("master12", "master"), ("worker-a-1", "worker-a"), ("worker-a-15", "worker-a"),
        ("worker-a-1-5", "worker-a-1"), ("worker-gone-1", ""), ("other", ""), ("masterly-1", ""),
    ],
)  # fmt: skip
def test_a_node_is_of_the_group_of_its_pool(name, group):
    """By its name: whoever removes the label of its pool does not make a master of it."""
    found = node(name)
    found["metadata"]["labels"].clear()
    assert pool_settings.group(found, GROUPS) == group


def test_a_master_is_shown_as_what_it_is():
    api = Api(node("master1"))
    ensure(api, {"labels": {}, "taints": []}, "master1")
    assert state(api, "master1")[0] == {"node-role.kubernetes.io/control-plane": ""}
    api.nodes["master1"]["metadata"]["labels"].clear()
    ensure(api, {"labels": {}, "taints": []}, "master1")
    assert state(api, "master1")[0] == {"node-role.kubernetes.io/control-plane": ""}


KEYS = st.sampled_from("abcd")
TAINTS = st.dictionaries(st.tuples(KEYS, st.sampled_from(["NoSchedule", "NoExecute"])), st.sampled_from(["", "x", "y"]))


@given(
    rounds=st.lists(st.tuples(st.dictionaries(KEYS, st.sampled_from("xy")), TAINTS), min_size=1, max_size=4),
    theirs=st.tuples(st.dictionaries(st.sampled_from("efgh"), st.just("z")), TAINTS),
)
def test_a_node_comes_to_have_what_the_last_release_says_and_what_others_set_elsewhere(rounds, theirs):
    foreign = [{"key": f"their-{k}", "effect": e} | ({"value": v} if v else {}) for (k, e), v in theirs[1].items()]
    api = Api(node(NAME, labels=theirs[0], taints=foreign))
    for labels, taints in rounds:
        found = settings(labels, [f"{key}={value}:{effect}" for (key, effect), value in taints.items()])
        ensure(api, found)
        assert not ensure(api, found)
    has, tainted = state(api)
    assert has == POOL | theirs[0] | labels
    assert all(taint in tainted for taint in foreign) and len(tainted) == len(foreign) + len(taints)
    ours = {(t["key"], t["effect"]): t.get("value", "") for t in tainted if not t["key"].startswith("their-")}
    assert ours == taints
    assert sorted(json.loads(api.nodes[NAME]["metadata"]["annotations"][SET])["labels"]) == sorted(POOL | labels)

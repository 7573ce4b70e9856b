"""Add-ons that a definition brings: their manifests are read and checked, and rendered with the images of the lock."""

import json
from dataclasses import replace

import golden
import pytest

from generator import lock, release, schema
from generator.errors import InvalidFile, UserError
from generator.images import catalog
from generator.lock import Image
from generator.own_addon import Object, OwnAddon, images
from generator.release_changes import compare
from generator.schema import own_addons

HEAD = "apiVersion: anywhere/v1\nkind: Cluster\nmetadata: {name: a}\nspec:\n  workers: {count: 1}\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers: [{name: first, image: "example.org/first:1", imagePullPolicy: Always}]
      containers: [{name: web, image: nginx}, {name: idle}]
      volumes: [{secret: {defaultMode: 0440}}]
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with a definition whose add-on `shop` has the manifests in `shop`."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "web.yaml").write_text(DEPLOYMENT)
    define(tmp_path, "{name: shop, manifests: shop}")
    return tmp_path


def define(folder, *entries):
    (folder / "cluster.yaml").write_text(f"{HEAD}  addons: [{', '.join(entries)}]\n")


def load(folder):
    return schema.load(folder / "cluster.yaml")


def said(folder):
    """What is wrong with the definition, or a manifest, without the folder."""
    with pytest.raises(InvalidFile) as caught:
        load(folder)
    return caught.value.message.replace(f"{folder}/", "")


def test_a_folder_of_manifests_is_read_in_order(folder):
    (folder / "shop" / "a.yml").write_text(f"{CONFIG}---\n# nothing\n---\n{CONFIG.replace('web', 'more')}")
    (folder / "shop" / "README.md").write_text("no manifest")
    (folder / "shop" / "deeper").mkdir()
    define(folder, "dns", "{name: shop, manifests: shop, namespace: front}")
    found = load(folder)
    assert found.addons == ("dns",)
    (addon,) = found.own_addons
    assert (addon.name, addon.namespace) == ("shop", "front")
    assert [(each.kind, each.name, each.line) for each in addon.objects] == [
        ("ConfigMap", "web", 1),
        ("ConfigMap", "more", 7),
        ("Deployment", "web", 1),
    ]
    assert addon.objects[2].value["spec"]["template"]["spec"]["volumes"] == [{"secret": {"defaultMode": 0o440}}]
    assert addon.workloads() == (("Deployment", "front", "web"),)


def test_a_list_is_what_it_lists(folder):
    items = "".join(f"- {CONFIG.replace('web', name).replace(chr(10), chr(10) + '  ').rstrip()}\n" for name in "ab")
    (folder / "shop" / "web.yaml").write_text(f"apiVersion: v1\nkind: List\nitems:\n{items}")
    assert [(each.name, each.line) for each in load(folder).own_addons[0].objects] == [("a", 4), ("b", 7)]


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("{name: dns, manifests: shop}", "[0].name: dns is the name of an add-on that anywhere has (write dns alone"),
        ("{name: weave, manifests: shop}", "[0].name: weave is the name of an add-on that anywhere has (take another"),
        ("{name: ingress, manifests: shop}", "[0].name: ingress is the name of an add-on that anywhere has"),
        ("{name: Shop, manifests: shop}", '[0].name: has the wrong form: "Shop" (such as shop, of lower-case'),
        ("{name: shop}", "[0].manifests: is missing (such as manifests: shop)"),
        ("{name: shop, manifests: 5}", "[0].manifests: should be text, not 5"),
        ("{name: shop, manifests: shop, namespace: A}", '[0].namespace: has the wrong form: "A"'),
        ("{name: shop, manifest: shop}", "[0].manifest: is not a known key (did you mean manifests?)"),
        ("5", "[0]: should be the name of an add-on, or an add-on of your own, not 5 (such as dns, or {name: shop"),
        ("[dns]", '[0]: should be the name of an add-on, or an add-on of your own, not ["dns"]'),
        ("{name: shop, manifests: none}", "[0].manifests: there is no FOLDER/none (a file or a folder beside"),
        ("{name: shop, manifests: empty}", "[0].manifests: FOLDER/empty has no file that ends with .yaml or .yml"),
        ("{name: shop, manifests: ..}", "[0].manifests: FOLDER/.. leads out of the definition's folder (keep it"),
        ("{name: shop, manifests: /etc}", "[0].manifests: /etc leads out of the definition's folder"),
        ("{name: shop, manifests: outside}", "[0].manifests: FOLDER/outside/a.yaml leads out of the definition"),
    ],
)
def test_an_entry_that_is_wrong_is_refused_where_it_stands(folder, tmp_path_factory, entry, wrong):
    (folder / "empty").mkdir()
    (folder / "outside").mkdir()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.yaml"
    elsewhere.write_text(CONFIG)
    (folder / "outside" / "a.yaml").symlink_to(elsewhere)
    define(folder, entry)
    with pytest.raises(InvalidFile) as caught:
        load(folder)
    assert wrong.replace("FOLDER", str(folder)) in caught.value.message.replace("...", "")


def test_what_is_no_path_is_refused(folder):
    (folder / "one").symlink_to(folder / "other")
    (folder / "other").symlink_to(folder / "one")
    for entry in ('"a\\0b"', "one", f"{'a' * 300}"):
        define(folder, f"{{name: shop, manifests: {entry}}}")
        assert "spec.addons[0].manifests: " in said(folder) and "a file or a folder beside the definition" in said(
            folder
        )


def test_two_add_ons_have_two_names(folder):
    define(folder, "{name: shop, manifests: shop}", "{name: shop, manifests: none}")
    assert "spec.addons[1].name: there already is an add-on shop (give each add-on a name of its own)" in said(folder)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a: [1\n", "shop/web.yaml:2: is not YAML: "),
        ("", "shop/web.yaml:1: is empty"),
        ("- a\n", "shop/web.yaml:1: should be a mapping of keys to values"),
        ("kind: A\nmetadata: {name: a}\n", "shop/web.yaml:1: apiVersion: is missing (such as apiVersion: apps/v1)"),
        (f"{CONFIG}---\napiVersion: v1\nmetadata: {{name: a}}\n", "shop/web.yaml:5: document 2: kind: is missing"),
        ("apiVersion: v1\nkind: A\nmetadata: {generateName: a}\n", "web.yaml:3: metadata.name: is missing"),
        ("apiVersion: v1\nkind: A\nmetadata:\n  name: 5\n", "web.yaml:4: metadata.name: has the wrong form: 5"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a/b}\n", 'metadata.name: has the wrong form: "a/b"'),
        ("apiVersion: v1\nkind: List\nitems: [{kind: A}]\n", "web.yaml:3: items[0].apiVersion: is missing"),
        (f"{CONFIG}a: &x 1\nb: *x\n", "web.yaml:5: b: is a YAML alias, which is not supported (write the value out)"),
        (f"{CONFIG}data: {{a: b, a: c}}\n", "web.yaml:4: data.a: is given twice"),
        (DEPLOYMENT.replace("nginx", "'{{ image }}'"), '"{{ image }}" is not a reference of an image (such as docker'),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_by_file_line_and_document(folder, text, wrong):
    (folder / "shop" / "web.yaml").write_text(text)
    assert wrong in said(folder)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"{CONFIG}---\n{CONFIG}", "shop/web.yaml:5: ConfigMap web in default is taken: "),
        (CONFIG, "shop/web.yaml:1: ConfigMap web in default is taken: "),  # by the other add-on
        (
            CONFIG.replace("name: web", "name: coredns, namespace: kube-system"),
            "ConfigMap coredns in kube-system is taken: the add-on dns of anywhere has it (give it another name)",
        ),
        (
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'anywhere:coredns'}\n",
            "ClusterRole anywhere:coredns is taken: the add-on dns of anywhere has it",
        ),
        (
            CONFIG.replace("name: web", "name: anywhere-addons, namespace: kube-system"),
            "is taken: names there that begin with anywhere- are those of the machines",
        ),
    ],
)
def test_no_object_is_installed_by_two(folder, text, wrong):
    (folder / "shop" / "web.yaml").write_text(text)
    (folder / "more.yaml").write_text(CONFIG if text == CONFIG else CONFIG.replace("web", "more"))
    define(folder, "dns", "{name: more, manifests: more.yaml}", "{name: shop, manifests: shop}")
    assert wrong in said(folder)


def test_what_a_listed_add_on_would_have_is_free_where_it_is_not_listed(folder):
    (folder / "shop" / "web.yaml").write_text(CONFIG.replace("name: web", "name: coredns, namespace: kube-system"))
    assert load(folder).own_addons[0].objects[0].name == "coredns"


def test_the_same_name_in_other_namespaces_and_groups_is_another_object(folder):
    other = CONFIG.replace("name: web", "name: web, namespace: other")
    (folder / "shop" / "web.yaml").write_text(f"{CONFIG}---\n{other}---\n{CONFIG.replace('v1', 'example.com/v1')}")
    assert len(load(folder).own_addons[0].objects) == 3


def test_manifests_travel_to_every_machine_so_they_are_small(folder, monkeypatch):
    monkeypatch.setattr(own_addons.manifests, "LIMIT", 10)
    assert "all manifests together are larger than 0 KiB" in said(folder)


def test_the_images_of_pods_are_found_wherever_they_are(folder):
    found = catalog.own(load(folder), "arm64")
    assert [(each.name, each.arch, each.source, each.runtimes) for each in found] == [
        ("example.org/first:1", "arm64", "registry", ("containerd",)),
        ("docker.io/library/nginx:latest", "arm64", "registry", ("containerd",)),
    ]
    assert found[0].user == f"Deployment web in {folder}/shop/web.yaml:1, of the add-on shop"


def test_images_of_the_registry_in_the_cluster_are_pulled_there():
    own = addon({"containers": [{"image": "localhost:5443/team/app:1"}, {"image": "nginx:1"}]})
    assert images([own], ["localhost:5443"]).keys() == {"docker.io/library/nginx:1"}
    assert len(images([own], [])) == 2


def addon(spec, name="shop", **metadata):
    value = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", **metadata}, "spec": spec}
    return OwnAddon(name, (Object("a.yaml", 1, value),))


def rendered(*own):
    """What machines get of add-ons, the lock that has their images, and the whole release."""
    definition, known, topology = golden.load("quickstart-flannel")
    definition = replace(definition, own_addons=own)
    found = {each.name: Image(each.name, each.ref, f"sha256:{'e' * 64}", "f" * 64, 1, "registry")
             for each in catalog.own(definition, "amd64")}  # fmt: skip
    known = replace(known, images={"amd64": {**known.images["amd64"], **found}})
    whole = json.loads(release.document(definition, known, topology, "0" * 64, golden.secrets(topology)))
    return whole["own_addons"], whole


def test_pods_run_the_images_of_the_lock_and_ask_no_registry_for_them():
    spec = {"containers": [{"image": "nginx", "imagePullPolicy": "Always"}, {"image": "nginx"}, {"name": "none"}]}
    ((made,), whole) = rendered(addon(spec))
    pinned = f"docker.io/library/nginx:latest-{'e' * 12}"
    assert made["objects"][0]["spec"]["containers"] == [
        {"image": pinned, "imagePullPolicy": "IfNotPresent"},
        {"image": pinned},
        {"name": "none"},
    ]
    described = whole["images"]["amd64"]["docker.io/library/nginx:latest"]
    assert (described["pod_ref"], described["runtimes"]) == (pinned, ["containerd"])
    for role in ("master", "worker"):
        assert "docker.io/library/nginx:latest" in whole["roles"][role]["images"]


def test_a_digest_is_the_tag_of_what_machines_have():
    reference = f"example.org/app:1@sha256:{'a' * 64}"
    definition = replace(
        golden.load("quickstart-flannel")[0], own_addons=(addon({"containers": [{"image": reference}]}),)
    )
    (wanted,) = catalog.own(definition, "amd64")
    assert (wanted.ref, wanted.digest) == (f"example.org/app:sha256-{'a' * 64}", f"sha256:{'a' * 64}")
    ((made,), _) = rendered(addon({"containers": [{"image": reference}]}))
    assert made["objects"][0]["spec"]["containers"][0]["image"] == f"example.org/app:sha256-{'a' * 64}-{'e' * 12}"


def test_a_version_is_another_one_with_each_change():
    versions = {
        rendered(each)[0][0]["version"]
        for each in (addon({"a": 1}), addon({"a": 2}), replace(addon({"a": 1}), namespace="b"), addon({"a": 1}))
    }
    assert len(versions) == 3


def test_a_plan_names_the_objects_that_change():
    def changes(before, after):
        found = compare(rendered(*before)[1], rendered(*after)[1])
        return {change.component: change.details for change in found}

    space = OwnAddon("space", (Object("a", 1, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}),))
    one, other = addon({"a": 1}), addon({"a": 2})
    assert changes([one], [one]) == {}
    assert changes([], [one, space]) == {
        "add-on shop": ("installed (Deployment web)",), "add-on space": ("installed (Namespace a)",),
    }  # fmt: skip
    assert changes([one, space], [other]) == {
        "add-on shop": ("changed (Deployment web)",), "add-on space": ("left in the cluster (Namespace a)",),
    }  # fmt: skip
    assert changes([one], []) == {"add-on shop": ("deleted from the cluster (Deployment web)",)}


def test_the_lock_keeps_what_an_image_is_called_by_in_its_registry(tmp_path):
    known = golden.load("quickstart-flannel")[1]
    name = "docker.io/library/nginx:1"
    found = Image(name, name, f"sha256:{'e' * 64}", "f" * 64, 1, "registry", f"sha256:{'d' * 64}")
    known = replace(known, images={"amd64": {**known.images["amd64"], name: found}})
    lock.write(tmp_path / "cluster.lock.yaml", known)
    assert lock.read(tmp_path / "cluster.lock.yaml") == known
    assert (tmp_path / "cluster.lock.yaml").read_text().count("digest:") == 1


def test_a_manifest_that_cannot_be_read_says_so(folder):
    (folder / "shop" / "web.yaml").unlink()
    (folder / "shop" / "web.yaml").symlink_to(folder / "gone.yaml")
    with pytest.raises(UserError, match="There is no file"):
        load(folder)

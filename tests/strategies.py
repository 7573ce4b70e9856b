"""Hypothesis strategies: definitions that are right, and how they are written down."""

from __future__ import annotations

import json
from dataclasses import asdict
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from generator.definition import ARCHITECTURES, SIZES, Definition, Etcd, Masters, Network, Pool, Proxy, Registry
from generator.sections import Local, Sections

settings.register_profile("anywhere", deadline=None)  # tests are not timed
settings.load_profile("anywhere")

HOSTILE = (
    "quote \" and ' here",
    "two\nlines",
    "${var.secret} %{ if true }",
    "$(reboot) `reboot`",
    "; rm -rf / | & > <",
    "back\\slash",
    "# no comment",
    ": - {} [] * & ! %",
    "\u2028 \u00e9 \U0001f600",
)

sizes = st.sampled_from(tuple(SIZES))
architectures = st.sampled_from(ARCHITECTURES)
AMD64 = st.just("amd64")  # all that local machines are
cluster_names = st.from_regex(r"[b-f]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True)
pool_names = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)
labels = st.dictionaries(
    st.from_regex(r"(example\.com/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?", fullmatch=True),
    st.from_regex(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?)?", fullmatch=True),
    max_size=3,
)
taints = st.lists(
    st.builds(
        "{}={}:{}".format,
        st.sampled_from("abc"),
        st.sampled_from(("", "x")),
        st.sampled_from(("NoSchedule", "NoExecute")),
    ),
    max_size=3,
    unique_by=lambda taint: (taint[0], taint.rpartition(":")[2]),
).map(tuple)


@st.composite
def pools(
    draw: st.DrawFn,
    names: st.SearchStrategy[str] = pool_names,
    arch: st.SearchStrategy[str] = architectures,
) -> Pool:
    count = draw(st.integers(1, 5))
    return Pool(
        name=draw(names),
        count=count,
        size=draw(sizes),
        labels=draw(labels),
        taints=draw(taints),
        arch=draw(arch),
        max_pods=draw(st.integers(10, 250)),
        spot=draw(st.booleans()),
        min=draw(st.none() | st.integers(0, count)),
        max=draw(st.none() | st.integers(count, 10)),
    )


@st.composite
def definitions(draw: st.DrawFn, arch: st.SearchStrategy[str] = architectures) -> Definition:
    """Definitions that `generator.schema.load` could have read from `cluster.yaml`."""
    etcd = draw(st.sampled_from((0, 1, 3, 5, 7)))
    return Definition(
        path=Path("cluster.yaml"),
        name=draw(cluster_names.filter(lambda name: "google" not in name)),
        kubernetes=draw(st.sampled_from(("v1.36.0", "v1.37.2"))),
        etcd=Etcd(etcd, draw(sizes), draw(arch)),
        masters=Masters(
            draw(st.sampled_from((1, 3, 5))), draw(st.sampled_from(("small", "large"))), draw(st.booleans()), draw(arch)
        ),
        workers=tuple(draw(st.lists(pools(arch=arch), min_size=1, max_size=4, unique_by=lambda pool: pool.name))),
        network=Network(
            driver=draw(st.sampled_from((None, "weave", "flannel"))),
            machines=IPv4Network(draw(st.sampled_from(("10.20.0.0/16", "192.168.64.0/19")))),
            pods=IPv4Network("10.32.0.0/12"),
            services=IPv4Network("10.96.0.0/16"),
            encryption=draw(st.booleans()),
        ),
        registry=draw(st.none() | st.builds(Registry, st.just("registry.example.com:5000/k8s"), login=st.booleans())),
        proxy=draw(st.none() | st.just(Proxy("", "http://proxy.example.com:3128", (".example.com", "192.168.0.0/16")))),
        addons=draw(st.sampled_from(((), ("dns",)))),
        ssh_keys=(),
        providers=Sections(
            local=Local(machines="vm", egress=draw(st.booleans()), host_loopback=draw(st.booleans()), accel="auto"),
            aws=None,
            gce=None,
            named=("local",),
        ),
    )


def _registry(registry: Registry | None) -> Any:
    """As it is written: by its name alone where it asks for nothing."""
    if registry is None or not registry.login:
        return registry and registry.mirror
    return {"mirror": registry.mirror, "login": True}


def document(definition: Definition) -> dict[str, Any]:
    """The mapping that `cluster.yaml` holds for `definition`."""
    network = {
        key: value if isinstance(value, bool) else str(value)
        for key, value in asdict(definition.network).items()
        if value is not None
    }
    snapshots = definition.etcd.snapshots
    return {
        "apiVersion": "anywhere/v1",
        "kind": "Cluster",
        "metadata": {"name": definition.name},
        "spec": {
            "kubernetes": {"version": definition.kubernetes},
            "etcd": {
                **asdict(definition.etcd),
                "snapshots": {"every": f"{snapshots.every // 3600}h", "keep": snapshots.keep},
            },
            "masters": asdict(definition.masters),
            "workers": [{**asdict(pool), "taints": list(pool.taints)} for pool in definition.workers],
            "network": network,
            "registry": _registry(definition.registry),
            "proxy": {name: value for name, value in asdict(definition.proxy).items() if value}
            if definition.proxy
            else None,
            "addons": list(definition.addons),
            "access": {"ssh_keys": list(definition.ssh_keys)},
        },
        "providers": {"local": asdict(definition.providers.local)},
    }


def write(path: Path, value: Any) -> Path:
    """`value` as YAML: JSON, which is YAML too, a key to a line."""
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return path

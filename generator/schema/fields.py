"""The syntax of single fields: names, ranges, versions, labels, taints, keys."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from generator import addon_catalog, recipients
from generator.decode import nearest, wrong
from generator.definition import ARCHITECTURES, DRIVERS, KERNELS, NEWEST, SIZES, UPDATES, VERSION
from generator.kubernetes_version import is_older, skipped_minors
from generator.source import shown

T = TypeVar("T")
Items = Annotated[tuple[T, ...], Field(strict=False)]  # YAML has lists only

_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# What NodeRestriction lets a kubelet say of itself under kubernetes.io and k8s.io, less what the kubelet sets anyway.
_NODE_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type")
_NODE_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_OWN_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")

_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_PROXY = re.compile(r"https?://([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_VERSION = re.compile(r"v\d{1,3}\.\d{1,3}\.\d{1,3}")
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # and other controls, which no line of text has
_REGISTRY = re.compile(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*){0,16}",
)


def label(limit: int) -> Callable[[str], str]:
    """A validator of RFC 1035 labels of at most `limit` characters."""

    def check(name: str) -> str:
        if len(name) > limit:
            raise wrong(
                f"{shown(name)} has {len(name)} characters, but {limit} are the most", "machine names derive from it"
            )
        if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name):
            better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
            rule = "lower-case letters, digits and -, beginning with a letter"
            raise wrong(f"{shown(name)} is not a name", f"did you mean {better}? {rule}" if better else rule)
        return name

    return check


def cluster_name(name: str) -> str:
    """A name that no cloud refuses: Google's own words are out, and beginnings that AWS reserves in some service."""
    if "google" in name or name.startswith(("goog", "xn--", "sthree-", "amzn-", "aws", "sg-", "internal-")):
        raise wrong(
            f"{shown(name)} is a name that a cloud keeps to itself",
            "avoid google, and aws, amzn-, xn--, sg-, internal- at the start",
        )
    return name


def one_of(words: Sequence[str], what: str, later: Sequence[str] = ()) -> Any:
    """The type of a text that is one of `words`; those in `later` are planned, and said to be so."""

    def check(word: str) -> str:
        if word in words:
            return word
        if word in later:
            raise wrong(f"{shown(word)} is {what} that this version does not have yet", f"there is: {', '.join(words)}")
        raise wrong(f"{shown(word)} is not {what}", nearest(word, words))

    return Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "enum": list(words)})]


def formed(pattern: str, example: str) -> Callable[[str], str]:
    """A validator of texts that match `pattern` as a whole; `example` is the remedy where one does not."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise wrong(f"has the wrong form: {shown(text)}", f"such as {example}")
        return text

    return check


def form(pattern: str, example: str, also: Callable[[str], str] = str) -> Any:
    """The type of such a text, for which `also` holds: for items and keys, of which no model has an example."""

    def check(text: str) -> str:
        return also(formed(pattern, example)(text))

    return Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})]


def admin_network(value: object) -> object:
    """A range of people's addresses, of whom there is often but one."""
    if isinstance(value, str) and re.fullmatch(r"[0-9.]{7,15}", value):
        raise wrong(f"{value} is one address, not a range", f"did you mean {value}/32?")
    return value


def network(value: object) -> IPv4Network:
    """An IPv4 range in CIDR form, without host bits."""
    example = "such as 10.20.0.0/16"
    if not isinstance(value, str):
        raise wrong(f"should be an address range, not {shown(value)}", example)
    if not re.fullmatch(r"[0-9.]{7,15}/[0-9]{1,2}", value):
        hint = "only IPv4 is supported" if ":" in value else example
        raise wrong(f"{shown(value)} is not an address range", hint)
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        raise wrong(f"{shown(value)} is not an address range", example) from None
    if str(network.network_address) != value.split("/")[0]:
        raise wrong(f"{value} has bits set after its first {network.prefixlen}", f"did you mean {network}?")
    return network


def version(value: object) -> str:
    """`v1.37.2`: a whole version, of whatever minor version it is."""
    if isinstance(value, int | float):
        raise wrong(
            f"should be a whole version in quotes, not the number {shown(value)}", f'write "{_complete(str(value))}"'
        )
    if not isinstance(value, str):
        raise wrong(f"should be a version, not {shown(value)}", f"such as {VERSION}")
    if not _VERSION.fullmatch(value):
        raise wrong(f"{shown(value)} is not a Kubernetes version", f"did you mean {_complete(value)}?")
    return value


def supported(value: str) -> str:
    """A version of a minor version that is supported."""
    minor, oldest = value.removeprefix("v").rpartition(".")[0], next(iter(NEWEST.values()))
    if minor in NEWEST:
        return value
    if not is_older(value, oldest):
        raise wrong(f"Kubernetes {value} is not supported", f"there is: {', '.join(f'v{each}' for each in NEWEST)}")
    follows = not skipped_minors(value, oldest)
    first = f"; a cluster that runs {minor} takes {oldest} first" if follows else ""
    raise wrong(f"Kubernetes {minor} is no longer maintained", f"use {VERSION}{first}")


def _complete(value: str) -> str:
    """The version that was likely meant: `1.36` -> the newest patch of 1.36."""
    bare = value.strip().lower().removeprefix("v")
    return f"v{bare}" if _VERSION.fullmatch(f"v{bare}") else NEWEST.get(bare, VERSION)


def registry(value: str) -> str:
    """`host[:port][/path]`, as image references begin."""
    if not _REGISTRY.fullmatch(value):
        bare = re.sub(r"^[a-z]+://", "", value).rstrip("/")
        hint = f"did you mean {bare}?" if _REGISTRY.fullmatch(bare) else "such as registry.example.com/k8s"
        raise wrong(f"{shown(value)} is not a registry", hint)
    return value


def proxy_url(value: str) -> str:
    """`http://host:port` of a proxy, as curl, containerd and Docker read it."""
    example = "such as http://proxy.example.com:3128"
    if "@" in value:
        raise wrong(
            "holds a login, which would be in git and on every machine",
            "let the proxy admit machines by their addresses, and write http://HOST:PORT alone",
        )
    if not _PROXY.fullmatch(value):
        bare = value.rstrip("/").lower()
        better = bare if "://" in bare else f"http://{bare}"
        hint = f"did you mean {better}?" if _PROXY.fullmatch(better) else example
        raise wrong(f"{shown(value)} is not a proxy", hint)
    return value


def direct(value: str) -> str:
    """What is reached without a proxy: a name, all names under `.example.com`, an address, or a range."""
    bare = value.removeprefix(".")
    if "/" in value:
        with suppress(ValueError):
            return str(ip_network(value))
    elif _SUBDOMAIN.fullmatch(bare) and len(bare) < 254:
        return value
    else:
        with suppress(ValueError):
            return str(ip_address(value))
    better = re.sub(r"^[a-z]+://|/+$", "", value.lower()).removeprefix("*")
    fits = better != value and _SUBDOMAIN.fullmatch(better.removeprefix("."))
    hint = f"did you mean {better}?" if fits else "such as .example.com, 192.168.0.0/16 or 203.0.113.10"
    raise wrong(f"{shown(value)} is neither a name nor an address or a range", hint)


def ssh_key(value: str) -> str:
    """One OpenSSH public key: type, base64, and perhaps a comment."""
    if "PRIVATE KEY" in value:
        raise wrong(
            "is a private key, and should be a public one", "take the file that ends with .pub, and make a new key"
        )
    kind, _, rest = value.strip(" \n").partition(" ")
    if re.search(_LINE_BREAKS, value.strip(" \n")) or kind not in _KEY_TYPES:
        raise wrong("is not an OpenSSH public key", "one line that begins with ssh-ed25519, ecdsa-sha2-... or ssh-rsa")
    blob, name = rest.strip().split(" ")[0], kind.encode()
    try:
        data = base64.b64decode(blob, validate=True)
    except binascii.Error:
        data = b""
    if not data.startswith(len(name).to_bytes(4, "big") + name) or len(data) < len(name) + 36:
        raise wrong(f"is not a complete {kind} key", "copy the line of the .pub file again")
    return value.strip(" \n")


def api_name(value: str) -> str:
    """A DNS name or an address (IPv4 or IPv6), as a certificate has it; addresses are returned in their usual form."""
    try:
        address = ip_address(value)
    except ValueError:
        address = None
    if address and "%" not in value:
        return str(address)
    if _SUBDOMAIN.fullmatch(value) and len(value) < 254 and not value.rpartition(".")[2].isdigit():
        return value
    bare = re.sub(r"^[a-z]+://|(:[0-9]+)?/*$", "", value).lower()
    try:
        better = bare.encode("idna").decode()
    except UnicodeError:
        better = ""
    fits = better != value and _SUBDOMAIN.fullmatch(better)
    hint = f"did you mean {better}?" if fits else "such as api.example.com or 203.0.113.10"
    raise wrong(f"{shown(value)} is neither a DNS name nor an address", hint)


def age_recipient(value: str) -> str:
    """The public half of an age key."""
    if value.upper().startswith("AGE-SECRET-KEY-"):
        raise wrong("is a private age key, and should be a public one", "age-keygen -y prints it; make a new key")
    if not recipients.is_valid(value):
        raise wrong(f"{shown(value)} is not an age recipient", "age1..., as `anywhere secrets key` prints yours")
    return value


def label_key(key: str) -> str:
    """A label's key: `name` or `prefix/name`."""
    prefix, slash, name = key.rpartition("/")
    if not _LABEL_NAME.fullmatch(name) or (slash and not (_SUBDOMAIN.fullmatch(prefix) and len(prefix) < 254)):
        raise wrong("is not a label key", "name or example.com/name, of letters, digits, - _ .; at most 63 characters")
    return key


def node_label_key(key: str) -> str:
    """A label's key that a kubelet may give its own node."""
    prefix = label_key(key).rpartition("/")[0]
    reserved = any(prefix == domain or prefix.endswith(f".{domain}") for domain in ("kubernetes.io", "k8s.io"))
    if (
        reserved
        and key not in _NODE_LABELS
        and not any(prefix == p or prefix.endswith(f".{p}") for p in _NODE_PREFIXES)
    ):
        raise wrong(
            "is a label that Kubernetes keeps to itself", "NodeRestriction refuses it; take a prefix of your own"
        )
    return key


def label_value(value: str) -> str:
    if value and not _LABEL_NAME.fullmatch(value):
        raise wrong(
            f"{shown(value)} is not a label value",
            "letters, digits, - _ . between letters or digits; at most 63 characters",
        )
    return value


def taint(value: str) -> str:
    """`key=value:Effect` or `key:Effect`; always returned with its `=`."""
    rest, colon, effect = value.rpartition(":")
    key, _, content = rest.partition("=")
    if not colon:
        raise wrong(f"{shown(value)} is not a taint", "key=value:Effect, such as dedicated=gpu:NoSchedule")
    if effect not in _EFFECTS:
        raise wrong(f"{shown(effect)} is not a taint effect", nearest(effect, _EFFECTS))
    if label_key(key).startswith(_OWN_TAINTS):
        raise wrong(f"{shown(key)} is a taint that Kubernetes sets and removes itself", "take a prefix of your own")
    label_value(content)
    return f"{key}={content}:{effect}"


def one_line(value: Any) -> Any:
    """Refuses a taint as Kubernetes' own manifests have it, a mapping, with the same as text."""
    if isinstance(value, dict) and value.keys() >= {"key", "effect"}:
        content = f"={value['value']}" if value.get("value") else ""
        raise wrong(f"should be text, not {shown(value)}", f'write "{value["key"]}{content}:{value["effect"]}"')
    return value


def free_key(key: str) -> str:
    """A tag's or label's key that neither a cloud nor this program keeps for itself."""
    if key.startswith(("aws:", "anywhere-", "kubernetes.io", "goog")) or key in (".", "..", "_index"):
        raise wrong(f"{shown(key)} is a key that is kept for others", "take a prefix of your own")
    return key


def own_addon_name(name: str) -> str:
    """A name that no add-on of anywhere has or is to have."""
    if name in addon_catalog.known() or name in LATER:
        known = name in addon_catalog.choices()
        raise wrong(
            f"{name} is the name of an add-on that anywhere has",
            f"write {name} alone for that one, or take another name" if known else "take another name",
        )
    return name


ClusterName = Annotated[str, AfterValidator(label(30)), AfterValidator(cluster_name)]
PoolName = Annotated[str, AfterValidator(label(20))]
Driver = one_of(DRIVERS, "a network driver")
Accel = one_of(("auto", "kvm", "tcg"), "an accelerator")
SizeName = one_of(tuple(SIZES), "a size")
LATER = ("dashboard", "ingress")  # add-ons that are to come
Addon = one_of(tuple(addon_catalog.choices()), "an add-on", later=LATER)
OwnAddonName = form(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "shop, of lower-case letters, digits and -", own_addon_name)
Namespace = form(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "shop, of lower-case letters, digits and -")
Arch = one_of(ARCHITECTURES, "an architecture")
Updates = one_of(UPDATES, "a choice of updates")
Kernel = one_of(KERNELS, "what becomes of a kernel")
AnyVersion = Annotated[
    str, BeforeValidator(version), WithJsonSchema({"type": "string", "pattern": f"^{_VERSION.pattern}$"})
]
Version = Annotated[AnyVersion, AfterValidator(supported)]
Range = Annotated[
    IPv4Network,
    BeforeValidator(network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]{7,15}/[0-9]{1,2}$"}),
]
Percent = form(r"[1-9][0-9]?%|100%", "10%")
Duration = form(r"[1-9][0-9]{0,5}[smh]", "90s, 5m or 6h")
Interval = form(r"[1-9][0-9]m|[1-9][0-9]{0,2}h", "30m or 6h")
Registry = Annotated[str, AfterValidator(registry)]
ApiName = Annotated[str, AfterValidator(api_name)]
ProxyUrl = Annotated[str, AfterValidator(proxy_url)]
Direct = Annotated[str, AfterValidator(direct)]
SshKey = Annotated[str, AfterValidator(ssh_key)]
AgeRecipient = Annotated[str, AfterValidator(age_recipient)]
LabelKey = Annotated[str, AfterValidator(node_label_key)]
LabelValue = Annotated[str, AfterValidator(label_value)]
Taint = Annotated[str, BeforeValidator(one_line), AfterValidator(taint)]
AdminRange = Annotated[Range, BeforeValidator(admin_network)]
AwsAccount = form(r"[0-9]{12}", 'account: "123456789012"')
AwsRegion = Annotated[str, Field(pattern=r"^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$")]  # such as eusc-de-east-1
ProjectNumber = form(r"[0-9]{6,20}", 'project_number: "123456789012"')
GceRegion = Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$")]
GceProject = Annotated[  # that of an organisation's own domain begins with it
    str, Field(pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")
]
MACHINE_TYPE = r"[a-z][a-z0-9.-]{1,62}"  # of any cloud
AwsType = form(MACHINE_TYPE, "t3.medium")
GceType = form(MACHINE_TYPE, "e2-medium")
AwsZone = form(r"[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}[a-z]", "eu-west-1a")
VpcId = Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")]
SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
AmiId = form(r"ami-[0-9a-f]{8,17}", "ami-0123456789abcdef0")
TagKey = form(
    r"[A-Za-z0-9+=._:@-]{1,128}", "team, of letters, digits and + = . _ : @ -; at most 128 characters", free_key
)
TagValue = form(r"[A-Za-z0-9 +=._:/@-]{0,256}", "platform, of letters, digits and + = . _ : / @ -")
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
GceZone = form(r"[a-z]+-[a-z]+[0-9]+-[a-z]", "europe-west1-b")
GceName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
GceImage = form(r"projects/[^/\s]+/global/images/[^/\s]+", "projects/my-project/global/images/my-image")
GceLabel = form(
    r"[a-z][a-z0-9_-]{0,62}", "team, of lower-case letters, digits, _ and -; at most 63 characters", free_key
)
GceLabelValue = form(r"[a-z0-9_-]{0,63}", "platform, of lower-case letters, digits, _ and -; at most 63 characters")
KmsKey = form(
    r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+",
    "projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/my-key",
)

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(duration: str) -> int:
    """`5m` -> 300."""
    return int(duration[:-1]) * _UNITS[duration[-1]]

"""One certificate: made, read back, and judged. ECDSA P-256 throughout."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from generator.errors import UserError
from generator.store import Pair

AUTHORITY_LIFE = timedelta(days=3650)
CLOCK_SKEW = timedelta(minutes=5)  # a machine whose clock is a little behind accepts a new certificate

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH

T = TypeVar("T", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What an end certificate says, and for how long it does.

    `organizations` are what Kubernetes takes for the groups of a user. `names` are DNS names and addresses, in the
    order they are written.
    """

    authority: str
    common_name: str
    usages: tuple[x509.ObjectIdentifier, ...]
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    life: timedelta = field(kw_only=True)


def make_key() -> str:
    """A new private key, PKCS#8 PEM."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def public_pem(key: str) -> str:
    """The public half of a private key, PEM."""
    public = _private(key).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def authority(name: str, cluster: str, now: datetime, key: str | None = None) -> Pair:
    """A self-signed CA. With `key`, the same CA for longer: what it has signed stays valid."""
    private = _private(key) if key else ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"{name} CA", (cluster,))
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(subject, subject, private.public_key(), now, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return Pair(_certificate_pem(builder.sign(private, hashes.SHA256())), _key_pem(private))


def issue(leaf: Leaf, issuer: Pair, now: datetime) -> Pair:
    """A new key and the certificate that `issuer` gives it."""
    parent = parse(issuer.crt)
    private = ec.generate_private_key(ec.SECP256R1())
    until = min(now + leaf.life, parent.not_valid_after_utc)
    subject = _subject(leaf.common_name, leaf.organizations)
    parent_id = parent.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(subject, parent.subject, private.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(leaf.usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(parent_id), critical=False)
    )
    if leaf.names:
        builder = builder.add_extension(_alternative_names(leaf), critical=False)
    return Pair(_certificate_pem(builder.sign(_private(issuer.key), hashes.SHA256())), _key_pem(private))


def fits(crt: str, leaf: Leaf, issuer: Pair) -> bool:
    """Whether a certificate says what `leaf` says and is signed by `issuer`; its age is not looked at."""
    certificate = parse(crt)
    try:
        certificate.verify_directly_issued_by(parse(issuer.crt))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return (
        certificate.subject == _subject(leaf.common_name, leaf.organizations)
        and _value(certificate, x509.ExtendedKeyUsage) == x509.ExtendedKeyUsage(leaf.usages)
        and _value(certificate, x509.SubjectAlternativeName) == (_alternative_names(leaf) if leaf.names else None)
    )


def is_old(crt: str, now: datetime) -> bool:
    """Whether less than a third of its life is left."""
    certificate = parse(crt)
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < life / 3


def expiry(crt: str) -> datetime:
    """When it ends (aware, UTC)."""
    return parse(crt).not_valid_after_utc


def fingerprint(crt: str) -> str:
    """The SHA-256 of its public key, in hex, as `kubeadm join --discovery-token-ca-cert-hash` takes it."""
    public = parse(crt).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def parse(crt: str) -> x509.Certificate:
    """Read PEM; UserError where it is none, which only a hand-edited store gives."""
    try:
        return x509.load_pem_x509_certificate(crt.encode())
    except ValueError:
        raise UserError("The store holds a certificate that cannot be read.", "Restore it from git.") from None


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _subject(common_name: str, organizations: tuple[str, ...]) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_names(leaf: Leaf) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(name) for name in leaf.names])


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise UserError(f"{name!r} is not a name for a certificate.", "Use ASCII host names and addresses.") from None


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _value(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _private(key: str) -> ec.EllipticCurvePrivateKey:
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except ValueError:
        private = None
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise UserError("The store holds a private key that cannot be read.", "Restore it from git.")
    return private


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(private: ec.EllipticCurvePrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

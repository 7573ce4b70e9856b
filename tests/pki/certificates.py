"""Certificates parsed back, and their chains verified, as those who are shown them do it."""

from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
SERVICES = ip_network("10.96.0.0/16")


def certificates(text):
    return x509.load_pem_x509_certificates(text.encode())


def verify_client(crt, ca, at=NOW):
    builder = verification.PolicyBuilder().store(verification.Store(certificates(ca))).time(at)
    # a client needs no alternative name, unlike on the web
    leaf_policy = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
    )
    builder = builder.extension_policies(
        ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf_policy
    )
    return builder.build_client_verifier().verify(certificates(crt)[0], [])


def verify_server(crt, ca, name, at=NOW):
    subject = x509.IPAddress(IPv4Address(name)) if name[0].isdigit() else x509.DNSName(name)
    builder = verification.PolicyBuilder().store(verification.Store(certificates(ca))).time(at)
    return builder.build_server_verifier(subject).verify(certificates(crt)[0], [])


def same_key(crt, key):
    public = serialization.load_pem_private_key(key.encode(), None).public_key()
    return certificates(crt)[0].public_key() == public


def identity(crt):
    subject = certificates(crt)[0].subject
    organizations = [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, organizations

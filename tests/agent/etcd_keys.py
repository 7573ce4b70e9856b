"""Certificates of an etcd for tests: an authority, a server that is also a peer, and a client."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = datetime.timedelta(days=1)


class Authority:
    """An authority of its own, whose certificates are valid `days` from now on; those in the past have expired."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "etcd of a test")])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        extensions = ((basic, True), (usage, True))
        self.ca = _pem(self._sign(self._name, self._key, extensions, 10))

    def server(self, addresses, days=1):
        """(certificate, key) of a member at all of the addresses, towards clients and peers."""
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(each)) for each in addresses])
        return self._leaf("etcd", days, ((names, False),))

    def client(self):
        return self._leaf("client", 1, ())

    def _leaf(self, name, days, extensions):
        key = ec.generate_private_key(ec.SECP256R1())
        both = [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
        usage = x509.ExtendedKeyUsage(both)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signed = self._sign(subject, key, (*extensions, (usage, False)), days)
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _pem(signed), text.decode()

    def _sign(self, subject, key, extensions, days):
        end = datetime.datetime.now(datetime.UTC) + days * DAY
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - 100 * DAY)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            built = built.add_extension(extension, critical=critical)
        return built.sign(self._key, hashes.SHA256())


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()

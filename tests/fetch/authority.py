"""A certificate authority for tests: the names of a cloud's services, as a server proves them."""

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def _certificate(name, issuer, key, signer, *extensions):
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension in extensions:
        built = built.add_extension(extension, critical=False)
    return built.sign(signer, hashes.SHA256())


def _pem(certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def server(folder: Path, hosts: tuple[str, ...]) -> tuple[ssl.SSLContext, Path]:
    """(a context that serves `hosts`, the file of the authority to trust)."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority of a test", None, root, root, x509.BasicConstraints(True, 0))
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    certificate = _certificate("services", authority.subject, leaf, root, names)
    (folder / "ca.pem").write_bytes(_pem(authority))
    key = leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(_pem(certificate) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, folder / "ca.pem"


def trust(authority: Path) -> str:
    """The line of tmpfiles.d by which a Debian comes to trust an authority."""
    lines = authority.read_text().replace("\n", "\\n")
    return f"w+ /etc/ssl/certs/ca-certificates.crt - - - - \\n{lines}\n"

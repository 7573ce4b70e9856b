"""An issuer of tokens on a machine of the cluster: discovery and keys over HTTPS, and tokens that it signs."""

import base64
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests import outside

PORT = 8443
KEY = "key1"
# What runs on the machine: Python's own web server, with TLS.
SERVER = f"""\
import functools, http.server, ssl
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/run/issuer/public")
server = http.server.ThreadingHTTPServer(("0.0.0.0", {PORT}), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/issuer/server.crt", "/run/issuer/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


class Issuer:
    """`folder` is for its files; it serves at `address`, whose certificate is of the CA in `ca`."""

    def __init__(self, folder: Path, address: str) -> None:
        self.url = f"https://{address}:{PORT}"
        outside.authority(folder, address)
        self._folder, self._key = folder, rsa.generate_private_key(65537, 2048)
        self.ca = folder / "ca.crt"

    def start(self, cluster, machine: str) -> None:
        """Have it serve on a machine until that is gone."""
        files = {
            "server.py": SERVER,
            "server.crt": (self._folder / "server.crt").read_text(),
            "server.key": (self._folder / "server.key").read_text(),
            "public/.well-known/openid-configuration": json.dumps(self._discovery()),
            "public/keys": json.dumps({"keys": [self._public()]}),
        }
        for path, text in files.items():
            packed = base64.b64encode(text.encode()).decode()
            cluster.on(machine, f"echo {packed} | base64 -d | sudo install -D -m 600 /dev/stdin /run/issuer/{path}")
        cluster.on(machine, "sudo systemd-run --unit=issuer python3 /run/issuer/server.py")
        ask = f"curl -sk {self.url}/keys || true"
        cluster.until("the issuer's keys", lambda: KEY in cluster.on(machine, ask), 60)

    def token(self, **claims) -> str:
        """A token with these claims, that ends in an hour."""
        now = int(time.time())
        header = {"alg": "RS256", "kid": KEY, "typ": "JWT"}
        body = {"iss": self.url, "iat": now, "exp": now + 3600, **claims}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, body))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    def _discovery(self) -> dict:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _public(self) -> dict:
        numbers = self._key.public_key().public_numbers()
        number = {"n": numbers.n, "e": numbers.e}
        parts = {k: _encoded(v.to_bytes((v.bit_length() + 7) // 8, "big")) for k, v in number.items()}
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY, **parts}


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

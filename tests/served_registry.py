"""A registry over TLS, of an authority of its own, that asks for a login; its images are pushed as archives."""

import base64
import json
import shutil
import subprocess
from contextlib import contextmanager

from tests import outside


class Registry(outside.Site):
    """What of the registry's API a pull needs. `content` is {path: (media type, bytes)}, `login` name:password."""

    content: dict[str, tuple[str, bytes]] = {}
    login = ""

    def do_GET(self):  # noqa: N802
        expected = f"Basic {base64.b64encode(self.login.encode()).decode()}"
        if self.login and self.headers.get("Authorization") != expected:
            return self.answer(401, "text/plain", b"", {"WWW-Authenticate": 'Basic realm="registry"'})
        kind, body = self.content.get(self.path, ("", b""))
        return self.answer(200 if kind else 404, kind or "text/plain", body, {})

    def answer(self, status, kind, body, headers):
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def contents(archive, name, tag, folder):
    """An archive as {path: (media type, bytes)} of repository `name`."""
    folder.mkdir()
    subprocess.run(
        [shutil.which("skopeo"), "copy", "--quiet", f"docker-archive:{archive}", f"dir:{folder}"], check=True
    )
    raw = (folder / "manifest.json").read_bytes()
    manifest = json.loads(raw)
    digest = subprocess.check_output(["skopeo", "manifest-digest", folder / "manifest.json"], text=True).strip()
    found = {f"/v2/{name}/manifests/{reference}": (manifest["mediaType"], raw) for reference in (tag, digest)}
    for blob in (manifest["config"], *manifest["layers"]):
        data = (folder / blob["digest"].partition(":")[2]).read_bytes()
        found[f"/v2/{name}/blobs/{blob['digest']}"] = ("application/octet-stream", data)
    tags = json.dumps({"name": name, "tags": [tag]}).encode()
    return {"/v2/": ("application/json", b"{}"), f"/v2/{name}/tags/list": ("application/json", tags), **found}


@contextmanager
def serve(folder, content, login):
    """Serve on loopback; its `host:port`. The authority is at `folder`/ca.crt."""
    context = outside.authority(folder, "localhost")
    handler = type("Served", (Registry,), {"content": content, "login": login})
    with outside.serving(handler, context) as server:
        yield f"localhost:{server.server_port}"

"""Bringing images into the registry in a cluster, as a user of it who is there for that long only."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.demo.images import Image
from generator import command
from generator.errors import UserError
from generator.files import PRIVATE, write_atomic
from generator.kubernetes import Client
from generator.operations import cluster_api, port_forward, registry_client, registry_users
from generator.progress import Progress
from generator.registry_login import Login

USER = "make-demo"
TAKEN_SECONDS = 180.0  # a new password is taken within two minutes
POLL = 2.0


def check() -> None:
    """UserError where this computer lacks a program that pushing takes."""
    command.find("skopeo")
    port_forward.check_program()


def push(client: Client, kubeconfig: Path, port: int, images: Iterable[Image], progress: Progress) -> None:
    """Push images to the registry, which serves on `port` in the cluster. A login of the computer's user stays."""
    ca = cluster_api.authority(kubeconfig)
    with (
        _user(client) as password,
        port_forward.opened(kubeconfig, port_forward.to_registry(port)) as forward,
        tempfile.TemporaryDirectory() as folder,
    ):
        progress.note(f"waiting until the registry takes the password of {USER}")
        local = forward.ports[port]
        _wait_until_taken(local, ca, password)
        host = f"localhost:{local}"
        options = _options(Path(folder), Login(host, USER, password), ca)
        for image in images:
            progress.note(image.path)
            words = ["skopeo", "copy", "--quiet", *options, f"docker-archive:{image.archive}"]
            hint = "`anywhere status` shows whether the registry is well; run the same command again."
            command.run([*words, f"docker://{host}/{image.path}"], f"Pushing {image.path}", hint)


@contextmanager
def _user(client: Client) -> Iterator[str]:
    """The password of a user who is removed behind the body."""
    try:
        yield registry_users.add(client, USER)
    finally:
        registry_users.remove(client, USER)


def _wait_until_taken(port: int, ca: str, password: str) -> None:
    end = time.monotonic() + TAKEN_SECONDS
    while True:
        try:
            return registry_client.prove(port, ca, USER, password)
        except UserError:
            if time.monotonic() > end:
                raise
        time.sleep(POLL)


def _options(folder: Path, login: Login, ca: str) -> list[str]:
    """Those by which skopeo logs in and knows the cluster's registry, in files for nobody else."""
    write_atomic(folder / "login.json", login.docker_config().encode(), PRIVATE)
    certificates = folder / "certificates"
    certificates.mkdir()
    write_atomic(certificates / "ca.crt", ca.encode())
    return [f"--dest-authfile={folder / 'login.json'}", f"--dest-cert-dir={certificates}"]

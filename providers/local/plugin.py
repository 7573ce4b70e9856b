"""The Terraform provider `anywhere.local/anywhere/local`: machines of this host as resources."""

from __future__ import annotations

import sys
from typing import Any

from generator.errors import UserError
from providers.local import names
from providers.local.disk import Disk
from providers.local.document import Document
from providers.local.home import ClusterFolder, cluster_folder
from providers.local.machine import Machine
from providers.local.network import Network
from providers.local.store import Store
from providers.local.terraform.schema import Attribute, State
from providers.local.terraform.server import Service, serve

RESOURCES = {
    "anywhere_disk": Disk,
    "anywhere_document": Document,
    "anywhere_machine": Machine,
    "anywhere_network": Network,
    "anywhere_store": Store,
}
SCHEMA = {"cluster": Attribute("string", "The cluster that the resources belong to.", required=True)}


def configure(config: State) -> ClusterFolder:
    names.check_name(config["cluster"], "cluster")
    return cluster_folder(config["cluster"])


def service() -> Service:
    resources: dict[str, Any] = dict(RESOURCES)
    return Service(SCHEMA, resources, configure)


def main() -> None:
    """Entry point `anywhere-terraform-provider`; only Terraform starts it."""
    try:
        serve(service())
    except UserError as error:
        sys.exit(f"{error.message} {error.hint}")


if __name__ == "__main__":
    main()

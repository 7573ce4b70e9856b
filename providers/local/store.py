"""`anywhere_store`: where machines of some roles keep files at the metadata address, etcd's snapshots above all."""

from __future__ import annotations

import shutil
from typing import Any

from providers.local.home import ClusterFolder, read_json, remove_empty, write_json
from providers.local.terraform.resource import Resource
from providers.local.terraform.schema import Attribute, State


class Store(Resource[ClusterFolder]):
    description = "Where machines of the given roles keep files. What they keep goes with it."
    schema = {
        "id": Attribute("string", "A cluster has one: store.", computed=True),
        "roles": Attribute(["set", "string"], "The roles of the machines that may read and write.", required=True),
    }

    def create(self, planned: State, config: State) -> State:
        write_json(self.settings.keepers, {"roles": sorted(planned["roles"])})
        self.settings.stored.mkdir(mode=0o700, parents=True, exist_ok=True)
        return {**planned, "id": "store"}

    def read(self, state: State) -> State | None:
        record: Any = read_json(self.settings.keepers)
        return record and {**state, "roles": record["roles"]}

    def update(self, prior: State, planned: State, config: State) -> State:
        return self.create(planned, config)

    def delete(self, state: State) -> None:
        self.settings.keepers.unlink(missing_ok=True)
        shutil.rmtree(self.settings.stored, ignore_errors=True)
        remove_empty(self.settings.path)

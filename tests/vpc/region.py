"""A region of a cloud: its machines on their network, and who answers them there."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from tests.fetch import authority
from tests.fetch.endpoint import Answer, Endpoint, Request, Service
from tests.vpc import image
from tests.vpc.machine import Disk, Kind, Machine, kept, overlay
from tests.vpc.segment import METADATA, SERVICES, Segment


class Region:
    """`hosts` are the names of the cloud's services; the metadata service knows an instance by its address."""

    def __init__(self, folder: Path, segment: Segment, hosts: tuple[str, ...], services: Service) -> None:
        self.segment, self.machines, self._folder = segment, list[Machine](), folder
        self._metadata: dict[str, Service] = {}
        context, issuer = authority.server(folder, hosts)
        self.trust = authority.trust(issuer)
        self._endpoints = (
            Endpoint(segment.listen(METADATA, 80), self._instance),
            Endpoint(segment.listen(SERVICES, 443), services, context),
        )

    def close(self) -> None:
        for machine in self.machines:
            machine.close()
        for endpoint in self._endpoints:
            endpoint.close()
        self.segment.close()

    def boot(self, name: str, address: IPv4Address, metadata: Service, kind: Kind, devices: Sequence[str]) -> Machine:
        """A machine out of the stock image: its first device is the root's; the others are disks that outlive it."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        stock = image.stock(*kind.agents)
        root, *others = devices
        disks = [Disk(overlay(stock.disk, folder / "root.qcow2", "20G"), root)]
        disks += [Disk(kept(folder / f"disk{number}.qcow2", "8G"), device) for number, device in enumerate(others, 1)]
        self._metadata[str(address)] = metadata
        machine = Machine(self.segment, name, folder, address, kind, stock, disks)
        self.machines.append(machine)
        return machine

    def lose(self, machine: Machine) -> None:
        """It is no more, but for its disks that outlive it."""
        machine.close()
        self.segment.unplug(machine.address)
        self.machines.remove(machine)

    def _instance(self, request: Request) -> Answer:
        instance = self._metadata.get(request.client)
        return instance(request) if instance else Answer(404)

"""`python -m tests.offline.provider PROVIDER APPLY`: serves a provider's schemas to Terraform without its cloud.

It plans and reads data by the schema alone. APPLY is `refuse`, or `invent`: resources with made-up identifiers that
live in Terraform's state only. The first line of output is the socket; the end of standard input ends the program.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

from generator.errors import UserError
from providers.local.terraform.schema import UNKNOWN, Diagnostics, InvalidAttribute, State, decode
from providers.local.terraform.server import report
from tests.offline import answers, rules, schemas, values, wire
from tests.offline.jsii import Block

Apply = Callable[[str, Block, State], State]
"""(type name, block, planned state) to the new state."""

_MESSAGE_BYTES = 256 << 20


def refuse(name: str, block: Block, planned: State) -> State:
    raise UserError(f"The stand-in for this provider creates no {name}.", "Offline, plans and validation work.")


class Invention:
    """Resources that are nowhere but in Terraform's state; each type counts its own."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))

    def __call__(self, name: str, block: Block, planned: State) -> State:
        mark = f"{name}-{next(self._numbers[name])}"
        special = {
            "arn": f"arn:aws:offline:::{mark}",
            "self_link": f"https://www.googleapis.com/compute/v1/projects/offline/{mark}",
        }
        return values.settled(block, planned, lambda attribute: special.get(attribute, mark))


APPLY: dict[str, Apply] = {"refuse": refuse, "invent": Invention()}


class StandIn:
    """The provider behind the RPCs; each takes its request and gives its reply."""

    def __init__(self, provider: str, apply: Apply) -> None:
        self.schemas = schemas.load(provider)
        self.message = wire.schemas_message(self.schemas)
        self.apply = apply
        self.settings: State = {}

    def GetProviderSchema(self, request: Any) -> Any:  # noqa: N802
        return self.message

    def ValidateProviderConfig(self, request: Any) -> Any:  # noqa: N802
        return wire.MESSAGES["ValidateProviderResponse"]()

    def ConfigureProvider(self, request: Any) -> Any:  # noqa: N802
        self.settings = decode(request.config)
        return wire.MESSAGES["Diagnostics"]()

    def ValidateResourceConfig(self, request: Any) -> Any:  # noqa: N802
        return self._validate("resource", request)

    def ValidateDataResourceConfig(self, request: Any) -> Any:  # noqa: N802
        return self._validate("data", request)

    def ValidateEphemeralResourceConfig(self, request: Any) -> Any:  # noqa: N802
        return self._validate("ephemeral", request)

    def _validate(self, kind: str, request: Any) -> Any:
        block, config = self.schemas[kind][request.type_name], decode(request.config)
        for path in values.computed_only(block, config):
            raise InvalidAttribute(f"{path[-1]} cannot be set.", "The provider alone decides its value.", *path)
        rules.check(request.type_name, block, config)
        return wire.MESSAGES["Diagnostics"]()

    def UpgradeResourceState(self, request: Any) -> Any:  # noqa: N802
        return wire.MESSAGES["UpgradeResponse"](upgraded_state={"json": request.raw_state.json})

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        return wire.MESSAGES["ReadResponse"](new_state=request.current_state, private=request.private)

    def PlanResourceChange(self, request: Any) -> Any:  # noqa: N802
        proposed = decode(request.proposed_new_state)
        if proposed is not None:
            block = self.schemas["resource"][request.type_name]
            proposed = values.planned(block, proposed)
            answers.inherit(block, proposed, self.settings)
        return wire.MESSAGES["PlanResponse"](planned_state=wire.encode(proposed))

    def ApplyResourceChange(self, request: Any) -> Any:  # noqa: N802
        planned = decode(request.planned_state)
        if planned is not None:
            planned = self.apply(request.type_name, self.schemas["resource"][request.type_name], planned)
        return wire.MESSAGES["ApplyResponse"](new_state=wire.encode(planned))

    def ImportResourceState(self, request: Any) -> Any:  # noqa: N802
        raise UserError("The stand-in for this provider imports nothing.", "Offline, plans and validation work.")

    def ReadDataSource(self, request: Any) -> Any:  # noqa: N802
        answer = answers.DATA.get(request.type_name, answers.nothing)
        return wire.MESSAGES["DataResponse"](state=wire.encode(self._read("data", request, answer)))

    def OpenEphemeralResource(self, request: Any) -> Any:  # noqa: N802
        return wire.MESSAGES["OpenResponse"](result=wire.encode(self._read("ephemeral", request, answers.nothing)))

    def CloseEphemeralResource(self, request: Any) -> Any:  # noqa: N802
        return wire.MESSAGES["Diagnostics"]()

    def _read(self, kind: str, request: Any, answer: answers.Answer) -> State:
        """What is known of it, and placeholders for the rest: Terraform takes no unknowns here."""
        name, block = request.type_name, self.schemas[kind][request.type_name]
        state = values.planned(block, decode(request.config))
        state |= {key: value for key, value in answer(state, self.settings).items() if state[key] is UNKNOWN}
        return values.settled(block, state, lambda attribute: f"{name}-{attribute}")

    def StopProvider(self, request: Any) -> Any:  # noqa: N802
        return wire.MESSAGES["StopResponse"]()


def _handler(call: Callable[[Any], Any], request: Any, response: Any) -> Any:
    import grpc

    def answer(message: Any, context: Any) -> Any:
        try:
            return call(message)
        except Exception as error:
            diagnostics = Diagnostics()
            report(error, diagnostics)
            reply = response()
            for each in diagnostics:
                reply.diagnostics.add().ParseFromString(each.SerializeToString())
            return reply

    return grpc.unary_unary_rpc_method_handler(answer, request.FromString, response.SerializeToString)


def serve(stand_in: StandIn, socket: Path) -> Any:
    """Listen without TLS, as Terraform expects of a provider that it did not start."""
    import grpc

    calls = {
        name: _handler(getattr(stand_in, name), wire.MESSAGES[request], wire.MESSAGES[response])
        for name, (request, response) in wire.CALLS.items()
    }
    options = [("grpc.max_send_message_length", _MESSAGE_BYTES), ("grpc.max_receive_message_length", _MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(16), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tfplugin6.Provider", calls),))
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    return server


def main() -> None:
    provider, apply = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="anywhere-offline-") as folder:
        socket = Path(folder) / "socket"
        server = serve(StandIn(provider, APPLY[apply]), socket)
        print(socket, flush=True)
        sys.stdin.read()
        server.stop(grace=None)
    os._exit(0)  # gRPC's threads need no farewell


if __name__ == "__main__":
    main()

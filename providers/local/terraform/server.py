"""The RPCs of a provider, and the go-plugin handshake that serves them to Terraform."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import IO, Any

from generator.errors import UserError
from providers.local.terraform.resource import STOP, Resource, replaced_by, with_defaults
from providers.local.terraform.schema import (
    UNKNOWN,
    Diagnostics,
    InvalidAttribute,
    Schema,
    State,
    decode,
    encode,
    path_message,
    schema_message,
)
from providers.local.terraform.wire import CALLS, MESSAGES

COOKIE = "TF_PLUGIN_MAGIC_COOKIE"
_MESSAGE_BYTES = 256 << 20
_THREADS = 64  # more than any -parallelism in use; waiting for a machine holds a thread


class Service:
    """The provider behind the RPCs: resource types by name and one configuration."""

    def __init__(
        self,
        schema: Schema,
        resources: Mapping[str, type[Resource[Any]]],
        configure: Callable[[State], Any],
    ) -> None:
        self.schema = schema
        self.resources = resources
        self.configure = configure
        self.settings: Any = None

    def _resource(self, name: str, diagnostics: Diagnostics) -> Resource[Any]:
        return self.resources[name](self.settings, diagnostics)

    def GetProviderSchema(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        answer = MESSAGES["Schemas"](provider=schema_message(self.schema))
        for name, kind in self.resources.items():
            answer.resource_schemas[name].CopyFrom(schema_message(kind.schema, kind.version, kind.description))
        answer.server_capabilities.get_provider_schema_optional = True
        return answer

    def ValidateProviderConfig(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        return MESSAGES["ValidateProviderResponse"]()

    def ConfigureProvider(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        self.settings = self.configure(decode(request.config))
        return MESSAGES["Diagnostics"]()

    def ValidateResourceConfig(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        kind, config = self.resources[request.type_name], decode(request.config)
        if not request.client_capabilities.write_only_attributes_allowed:
            for name, attribute in kind.schema.items():
                if attribute.write_only and config[name] is not None:
                    hint = "Use Terraform 1.11 or OpenTofu 1.11, or newer."
                    raise InvalidAttribute("This Terraform has no write-only attributes.", hint, name)
        kind.validate(config)
        return MESSAGES["Diagnostics"]()

    def UpgradeResourceState(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        schema = self.resources[request.type_name].schema
        state = json.loads(request.raw_state.json)
        # Attributes that a newer version added start as null; those it dropped are left out.
        return MESSAGES["UpgradeResponse"](upgraded_state=encode({name: state.get(name) for name in schema}))

    def ReadResource(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        state = self._resource(request.type_name, diagnostics).read(decode(request.current_state))
        return MESSAGES["ReadResponse"](new_state=encode(state), private=request.private)

    def PlanResourceChange(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        prior, proposed = decode(request.prior_state), decode(request.proposed_new_state)
        if proposed is None:
            return MESSAGES["PlanResponse"](planned_state=encode(None), planned_private=request.prior_private)
        resource, config = self._resource(request.type_name, diagnostics), decode(request.config)
        planned = with_defaults(resource.schema, prior, proposed, config)
        planned = resource.plan(prior, planned, config)
        replace = [path_message([name]) for name in replaced_by(resource.schema, prior, planned)]
        return MESSAGES["PlanResponse"](
            planned_state=encode(planned), requires_replace=replace, planned_private=request.prior_private
        )

    def ApplyResourceChange(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        resource, config = self._resource(request.type_name, diagnostics), decode(request.config)
        prior, planned = decode(request.prior_state), decode(request.planned_state)
        state: State | None = prior  # what stays known when the operation fails
        try:
            if planned is None:
                resource.delete(prior)
                state = None
            elif prior is None:
                state = resource.create(planned, config)
            else:
                state = resource.update(prior, planned, config)
        except Exception as error:
            report(error, diagnostics)
        if state is not None:
            state = {name: None if value is UNKNOWN else value for name, value in state.items()}
        return MESSAGES["ApplyResponse"](new_state=encode(state), private=request.planned_private)

    def ImportResourceState(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        answer = MESSAGES["ImportResponse"]()
        state = self._resource(request.type_name, diagnostics).import_(request.id)
        answer.imported_resources.add(type_name=request.type_name, state=encode(state))
        return answer

    def StopProvider(self, request: Any, diagnostics: Diagnostics) -> Any:  # noqa: N802
        STOP.set()
        return MESSAGES["StopResponse"]()


def report(error: Exception, diagnostics: Diagnostics) -> None:
    """Turn what was raised into a diagnostic; the traceback of a bug goes to Terraform's log."""
    if isinstance(error, UserError):
        diagnostics.error(error)
        return
    traceback.print_exc()
    hint = "This is a bug; TF_LOG=debug shows where. What is known of the resource is kept."
    diagnostics.error(UserError(f"{type(error).__name__}: {error}", hint))


def _handler(call: Callable[[Any, Diagnostics], Any], request: Any, response: Any) -> Any:
    import grpc

    def answer(message: Any, context: Any) -> Any:
        diagnostics = Diagnostics()
        try:
            reply = call(message, diagnostics)
        except Exception as error:
            report(error, diagnostics)
            reply = response()
        if diagnostics:
            reply.diagnostics.extend(diagnostics)
        return reply

    return grpc.unary_unary_rpc_method_handler(answer, request.FromString, response.SerializeToString)


def _plugin_handlers(done: threading.Event) -> dict[str, dict[str, Any]]:
    """The two services of go-plugin itself: shutdown, and a stream of output that we leave empty."""
    import grpc

    def shutdown(request: bytes, context: Any) -> bytes:
        done.set()
        return b""

    def output(request: bytes, context: Any) -> Iterator[bytes]:
        done.wait()
        return iter(())

    return {
        "plugin.GRPCController": {"Shutdown": grpc.unary_unary_rpc_method_handler(shutdown)},
        "plugin.GRPCStdio": {"StreamStdio": grpc.unary_stream_rpc_method_handler(output)},
    }


def _grpc_server(service: Service, done: threading.Event) -> Any:
    import grpc

    calls = {
        name: _handler(getattr(service, name), MESSAGES[request], MESSAGES[response])
        for name, (request, response) in CALLS.items()
    }
    handlers = {"tfplugin6.Provider": calls, **_plugin_handlers(done)}
    limits = [("grpc.max_send_message_length", _MESSAGE_BYTES), ("grpc.max_receive_message_length", _MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS), options=limits)
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(name, methods) for name, methods in handlers.items())
    )
    return server


def serve(service: Service) -> None:
    """Serve until Terraform says so, or is gone."""
    if COOKIE not in os.environ:
        raise UserError("This program is a Terraform provider.", "Terraform starts it; use `anywhere apply`.")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; Terraform decides and calls StopProvider
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    handshake, sys.stdout = sys.stdout, sys.stderr  # the handshake is the only line stdout may carry
    # The parent may be gone already; taken now, that shows as a change soon after.
    parent = os.getppid()
    done = threading.Event()
    with tempfile.TemporaryDirectory(prefix="anywhere-provider-") as folder:
        server = _grpc_server(service, done)
        _listen(server, Path(folder) / "socket", handshake)
        while not done.wait(1):
            if os.getppid() != parent:
                break
        STOP.set()
        done.set()
        server.stop(grace=1).wait()


def _listen(server: Any, socket: Path, handshake: IO[str]) -> None:
    import grpc

    from providers.local.terraform.certificate import self_signed

    certificate = self_signed()
    credentials = grpc.ssl_server_credentials([(certificate.key, certificate.chain)])
    server.add_secure_port(f"unix://{socket}", credentials)
    server.start()
    fingerprint = base64.b64encode(certificate.der).decode().rstrip("=")
    handshake.write(f"1|6|unix|{socket}|grpc|{fingerprint}\n")
    handshake.flush()

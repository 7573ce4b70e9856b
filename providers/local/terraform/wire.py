"""The messages of Terraform plugin protocol 6 that a resource provider needs, built at import without protoc."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "anywhere.tfplugin6"

# A line a message, a word a field: `name=number:type`; `*` marks a list, `%` a map from string.
DESCRIBED = """
DynamicValue: msgpack=1:bytes json=2:bytes
Diagnostic: severity=1:int32 summary=2:string detail=3:string attribute=4:AttributePath
AttributePath: steps=1:*Step
Step: attribute_name=1:string element_key_string=2:string element_key_int=3:int64
RawState: json=1:bytes
ClientCapabilities: deferral_allowed=1:bool write_only_attributes_allowed=2:bool
ServerCapabilities: plan_destroy=1:bool get_provider_schema_optional=2:bool
Attribute: name=1:string type=2:bytes description=3:string required=4:bool optional=5:bool computed=6:bool \
sensitive=7:bool write_only=11:bool
Block: version=1:int64 attributes=2:*Attribute description=4:string
Schema: version=1:int64 block=2:Block
Empty:
Schemas: provider=1:Schema resource_schemas=2:%Schema diagnostics=4:*Diagnostic server_capabilities=6:ServerCapabilities
ValidateProviderRequest: config=1:DynamicValue
ValidateProviderResponse: diagnostics=2:*Diagnostic
ConfigureRequest: terraform_version=1:string config=2:DynamicValue client_capabilities=3:ClientCapabilities
ValidateRequest: type_name=1:string config=2:DynamicValue client_capabilities=3:ClientCapabilities
Diagnostics: diagnostics=1:*Diagnostic
UpgradeRequest: type_name=1:string version=2:int64 raw_state=3:RawState
UpgradeResponse: upgraded_state=1:DynamicValue diagnostics=2:*Diagnostic
ReadRequest: type_name=1:string current_state=2:DynamicValue private=3:bytes
ReadResponse: new_state=1:DynamicValue diagnostics=2:*Diagnostic private=3:bytes
PlanRequest: type_name=1:string prior_state=2:DynamicValue proposed_new_state=3:DynamicValue config=4:DynamicValue \
prior_private=5:bytes
PlanResponse: planned_state=1:DynamicValue requires_replace=2:*AttributePath planned_private=3:bytes \
diagnostics=4:*Diagnostic
ApplyRequest: type_name=1:string prior_state=2:DynamicValue planned_state=3:DynamicValue config=4:DynamicValue \
planned_private=5:bytes
ApplyResponse: new_state=1:DynamicValue private=2:bytes diagnostics=3:*Diagnostic
ImportRequest: type_name=1:string id=2:string
Imported: type_name=1:string state=2:DynamicValue private=3:bytes
ImportResponse: imported_resources=1:*Imported diagnostics=2:*Diagnostic
StopResponse: error=1:string
"""

# RPC name -> (request, response). RPCs that are not here answer UNIMPLEMENTED, which Terraform takes as "none".
CALLS = {
    "GetProviderSchema": ("Empty", "Schemas"),
    "ValidateProviderConfig": ("ValidateProviderRequest", "ValidateProviderResponse"),
    "ValidateResourceConfig": ("ValidateRequest", "Diagnostics"),
    "ConfigureProvider": ("ConfigureRequest", "Diagnostics"),
    "UpgradeResourceState": ("UpgradeRequest", "UpgradeResponse"),
    "ReadResource": ("ReadRequest", "ReadResponse"),
    "PlanResourceChange": ("PlanRequest", "PlanResponse"),
    "ApplyResourceChange": ("ApplyRequest", "ApplyResponse"),
    "ImportResourceState": ("ImportRequest", "ImportResponse"),
    "StopProvider": ("Empty", "StopResponse"),
}

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _FIELD.TYPE_BYTES,
    "string": _FIELD.TYPE_STRING,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "bool": _FIELD.TYPE_BOOL,
}


def _add_map(message: Any, field: Any, kind: str) -> None:
    """Make `field` a map from string to message `kind`: on the wire, a list of key-value entries."""
    words = field.name.split("_")
    entry = message.nested_type.add(name="".join(word.capitalize() for word in words) + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING)
    value = entry.field.add(name="value", number=2, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_MESSAGE)
    value.type_name = f".{PACKAGE}.{kind}"
    field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{PACKAGE}.{message.name}.{entry.name}"


def _add_field(message: Any, word: str) -> None:
    left, _, kind = word.partition(":")
    name, _, number = left.partition("=")
    field = message.field.add(name=name, number=int(number), label=_FIELD.LABEL_OPTIONAL)
    if kind[0] in "*%":
        field.label = _FIELD.LABEL_REPEATED
    if kind[0] == "%":
        _add_map(message, field, kind[1:])
        return
    kind = kind.lstrip("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


def build(described: str) -> dict[str, Any]:
    """Message classes by name, of a description as above; a message may be described in parts."""
    file = descriptor_pb2.FileDescriptorProto(name="anywhere/tfplugin6.proto", package=PACKAGE, syntax="proto3")
    messages: dict[str, Any] = {}
    for line in filter(None, described.splitlines()):
        name, _, fields = line.partition(":")
        message = messages.get(name) or messages.setdefault(name, file.message_type.add(name=name))
        for word in fields.split():
            _add_field(message, word)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{n}")) for n in messages}


MESSAGES = build(DESCRIBED)

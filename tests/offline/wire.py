"""Plugin protocol 6 whole: our own provider's messages, and those for nested blocks, data and ephemeral resources."""

from __future__ import annotations

import json
from typing import Any

from providers.local.terraform import schema, wire
from tests.offline.jsii import Block

# As in providers.local.terraform.wire; a message that is there already gets more fields.
_ADDED = """
NestedBlock: type_name=1:string block=2:Block nesting=3:int32 min_items=4:int64 max_items=5:int64
Block: block_types=3:*NestedBlock
Schemas: data_source_schemas=3:%Schema ephemeral_resource_schemas=8:%Schema
DataResponse: state=1:DynamicValue diagnostics=2:*Diagnostic
OpenRequest: type_name=1:string config=2:DynamicValue
OpenResponse: diagnostics=1:*Diagnostic result=3:DynamicValue
CloseRequest: type_name=1:string
"""
CALLS = {
    **wire.CALLS,
    "ValidateDataResourceConfig": ("ValidateRequest", "Diagnostics"),
    "ReadDataSource": ("ValidateRequest", "DataResponse"),
    "ValidateEphemeralResourceConfig": ("ValidateRequest", "Diagnostics"),
    "OpenEphemeralResource": ("OpenRequest", "OpenResponse"),
    "CloseEphemeralResource": ("CloseRequest", "Diagnostics"),
}
_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}


MESSAGES = wire.build(wire.DESCRIBED + _ADDED)


def encode(value: Any) -> Any:
    """Plain Python, with UNKNOWN, as a DynamicValue."""
    return MESSAGES["DynamicValue"](msgpack=schema.encode(value).msgpack)


def schemas_message(schemas: dict[str, Any]) -> Any:
    """The answer to GetProviderSchema."""
    answer = MESSAGES["Schemas"](provider=_schema(schemas["provider"]))
    fields = {"resource": "resource_schemas", "data": "data_source_schemas", "ephemeral": "ephemeral_resource_schemas"}
    for kind, field in fields.items():
        for name, block in schemas[kind].items():
            getattr(answer, field)[name].CopyFrom(_schema(block))
    answer.server_capabilities.get_provider_schema_optional = True
    return answer


def _schema(block: Block) -> Any:
    message = MESSAGES["Schema"]()
    _fill(message.block, block)
    return message


def _fill(message: Any, block: Block) -> None:
    message.SetInParent()  # an empty block is there too
    for name, attribute in block["attributes"].items():
        flags = {flag: value for flag, value in attribute.items() if flag != "type"}
        message.attributes.add(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
    for name, nested in block["blocks"].items():
        inner = message.block_types.add(type_name=name, nesting=_NESTING[nested["nesting"]])
        inner.min_items, inner.max_items = nested["min"], nested["max"]
        _fill(inner.block, nested["block"])

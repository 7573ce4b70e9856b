"""Terraform schemas read out of the JavaScript of a CDK provider package.

A block is {"attributes": {name: attribute}, "blocks": {name: nested}}; an attribute is {"type": cty type as JSON} and
those of required, optional, computed, write_only that hold; a nested block is {"nesting", "block", "min", "max"}.
The package does not say ForceNew, sensitive, defaults, validators and most limits on the number of blocks.
Where it folds a deep block into "any value" (the statements of WAF's rules), that may be no schema for Terraform.
"""

from __future__ import annotations

import re
from typing import Any

Block = dict[str, Any]

KINDS = {
    "TerraformProvider": "provider",
    "TerraformResource": "resource",
    "TerraformDataSource": "data",
    "TerraformEphemeralResource": "ephemeral",
}
_DECLARATION = re.compile(r"^(?:class (\w+) extends cdktn\.(\w+) \{|function (\w+)\()", re.M)
_TYPE_NAME = re.compile(r'tfResourceType = "(\w+)"')
# A comment that says what may be configured, then the lines that say how it is read.
_FIELD = re.compile(
    r"^    // (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n"
    r"((?:(?!    // ).*\n){1,5})",
    re.M,
)
_ARGUMENT = re.compile(
    r'^ +(\w+): \{\n +value: (.*),\n +isBlock: (true|false),\n +type: "(\w+)",\n +storageClassType: "(\w+)",', re.M
)
_HOLDER = re.compile(r"= new (?:\w+\.)?(\w+)\(this, ['\"]\w+['\"](?:, (true|false))?\)")
_GETTER = re.compile(r"this\.get(\w*?)Attribute\(")
_ELEMENT = re.compile(r"return new (\w+OutputReference)\(")
_SCALARS = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}


def wrapped(words: str, set_: bool = False) -> Any:
    """`stringMapList`, or `StringMapList`, as a cty type: a list of maps of strings."""
    scalar, *wraps = re.findall(r"[A-Za-z][a-z]*", words)
    kind: Any = _SCALARS[scalar.lower()]
    for wrap in wraps:
        kind = [wrap.lower(), kind]
    return ["set", kind[1]] if set_ else kind


def _captured(pattern: re.Pattern[str], text: str) -> str:
    """What the pattern's group holds; the package is not as we know it where it is absent."""
    match = pattern.search(text)
    if match is None:
        raise ValueError(f"no {pattern.pattern} in {text[:80]!r}")
    return match[1]


class Module:
    """The source of one resource, data source or provider."""

    def __init__(self, source: str) -> None:
        self.classes: dict[str, tuple[str, str]] = {}
        self.functions: dict[str, str] = {}
        self.open: list[str] = []
        found = list(_DECLARATION.finditer(source))
        starts = [*(match.start() for match in found), len(source)]
        for match, end in zip(found, starts[1:], strict=True):
            name, base, function = match.groups()
            body = source[match.start() : end]
            if function:
                self.functions[function] = body
            else:
                self.classes[name] = (base, body)

    def schemas(self) -> list[tuple[str, str, Block]]:
        """(kind, type name, block) of everything that Terraform can name here."""
        found = []
        for name, (base, body) in self.classes.items():
            if kind := KINDS.get(base):
                block = self.provider(name) if kind == "provider" else self.block(name)
                found.append((kind, _captured(_TYPE_NAME, body), block))
        return found

    def arguments(self, name: str) -> dict[str, tuple[str, bool, str, str]]:
        """What can be configured: {name: (how it is written, whether as a block, collection, storage)}."""
        if name in self.classes and self.classes[name][0] in KINDS:
            body = self.classes[name][1]
            text = body[body.find("synthesizeHclAttributes()") :]
        else:
            struct = name.removesuffix("OutputReference")
            text = self.functions.get(struct[0].lower() + struct[1:] + "ToHclTerraform", "")
        return {key: (value, block == "true", *rest) for key, value, block, *rest in _ARGUMENT.findall(text)}

    def block(self, name: str) -> Block:
        """The block behind a class. Where the package folded a deep schema into itself, the repetition is left out."""
        block: Block = {"attributes": {}, "blocks": {}}
        if name in self.open:
            return block
        self.open.append(name)
        arguments = self.arguments(name)
        for field, computed, optional, required, code in _FIELD.findall(self.classes[name][1]):
            flags = {"computed": computed, "optional": optional, "required": required}
            argument = arguments.get(field)
            holder = _HOLDER.search(code)
            if holder and holder[1] in self.classes and argument and self.is_block(argument, computed == "true"):
                block["blocks"][field] = self.nested(holder[1], argument[2], required == "true")
                continue
            attribute = {"type": self.type(holder, argument, code)}
            attribute |= {flag: True for flag, value in flags.items() if value == "true"}
            if argument and "markWriteOnly" in argument[0]:
                attribute["write_only"] = True
            block["attributes"][field] = attribute
        self.open.pop()
        return block

    def is_block(self, argument: tuple[str, bool, str, str], computed: bool) -> bool:
        """Whether it is written as a block; Terraform's blocks are never computed, attributes of objects may be."""
        value, block, _, _ = argument
        return block and not computed and not re.search(r"listMapperHcl\(\w+, false\)", value)

    def nested(self, name: str, collection: str, required: bool) -> Block:
        base = self.classes[name][0]
        if base == "ComplexObject":
            single = collection == "struct"
            nesting, element, most = "single" if single else collection, name, 0 if single else 1
        else:
            nesting, element, most = collection, self.element(name), 0
        least = int(required and nesting in ("list", "set"))
        return {"nesting": nesting, "block": self.block(element), "min": least, "max": most}

    def element(self, name: str) -> str:
        return _captured(_ELEMENT, self.classes[name][1])

    def type(self, holder: re.Match[str] | None, argument: tuple[str, bool, str, str] | None, code: str) -> Any:
        if holder and holder[1] in self.classes:
            return self.collection(holder[1], holder[2] == "true", argument)
        if argument and argument[3][0].islower():
            return wrapped(argument[3], argument[2] == "set")
        if holder:
            return wrapped(holder[1], holder[2] == "true")
        getter = _GETTER.search(code)
        if getter is None:
            return "dynamic"
        words = {"List": "StringList"}.get(getter[1], getter[1])
        return wrapped(words, "Fn.tolist(" in code)

    def collection(self, name: str, set_: bool, argument: tuple[str, bool, str, str] | None) -> Any:
        """The type of an attribute whose value is made of objects."""
        base = self.classes[name][0]
        if base == "ComplexObject":
            one = self.object(name)
            return [argument[2], one] if argument and argument[2] in ("list", "set") else one
        shape = "map" if base == "ComplexMap" else "set" if set_ else "list"
        return [shape, self.object(self.element(name))]

    def object(self, name: str) -> Any:
        return ["object", members(self.block(name))]

    def provider(self, name: str) -> Block:
        """The provider's block; its nested blocks have no classes, only names and types, so all is optional there."""
        block: Block = {"attributes": {}, "blocks": {}}
        for field, (_, is_block, collection, storage) in self.arguments(name).items():
            if field == "alias" and name in self.classes:
                continue  # Terraform's own
            if is_block:
                struct = storage.removesuffix("List")
                nesting = "single" if collection == "struct" else collection
                block["blocks"][field] = {"nesting": nesting, "block": self.provider(struct), "min": 0, "max": 0}
            else:
                kind = wrapped(storage, collection == "set")
                block["attributes"][field] = {"type": kind, "optional": True}
        return block


def expressible(block: Block) -> bool:
    """Whether Terraform takes the block as a schema: nothing in a set may be of any type at all."""
    for nested in block["blocks"].values():
        kinds = [attribute["type"] for attribute in nested["block"]["attributes"].values()]
        if nested["nesting"] == "set" and "dynamic" in kinds:
            return False
        if not expressible(nested["block"]):
            return False
    return True


def members(block: Block) -> dict[str, Any]:
    """The block's content as an object type's attributes."""
    types = {name: attribute["type"] for name, attribute in block["attributes"].items()}
    for name, nested in block["blocks"].items():
        one = ["object", members(nested["block"])]
        types[name] = one if nested["nesting"] == "single" else [nested["nesting"], one]
    return types

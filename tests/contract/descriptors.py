"""The messages of the protocol, from its descriptors."""

import importlib
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import Descriptor, MethodDescriptor

_GENERATED = Path(__file__).parents[2] / "gen"


@cache
def methods() -> list[MethodDescriptor]:
    """Every RPC of every service, by its full name."""
    modules = [
        ".".join(path.relative_to(_GENERATED).with_suffix("").parts)
        for path in sorted(_GENERATED.glob("hoso/*/v1/*_pb2.py"))
    ]
    files = [importlib.import_module(module).DESCRIPTOR for module in modules]
    listed = [method for file in files for service in file.services_by_name.values() for method in service.methods]
    return sorted(listed, key=lambda method: method.full_name)


@cache
def request_messages() -> list[Descriptor]:
    """Every message that a request is or holds, by its full name."""
    known: dict[str, Descriptor] = {}

    def add(message: Descriptor) -> None:
        if message.full_name in known or not message.full_name.startswith("hoso."):
            return
        known[message.full_name] = message
        for field in message.fields:
            if field.message_type is not None:
                add(field.message_type)

    for method in methods():
        add(method.input_type)
    return [known[name] for name in sorted(known)]

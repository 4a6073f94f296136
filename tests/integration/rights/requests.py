"""A request of every RPC about school A's data, well formed, from the descriptors and `values`."""

import importlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from deploy.local.layout import SERVICES
from tests.contract.descriptors import methods
from tests.integration.rights.city import CLASS, A, City
from tests.integration.rights.values import ACTS, VALUES, Act

EVERYWHERE = ("hoso.operations.v1.OperationsService", "hoso.operations.v1.DeadLetterService")
"""Served by every service; what is in no package of ours (health, reflection) is so too."""
_OWNERS = {"hoso.operations.v1.AnchorService": "archive"}
_PUBLIC = ("grpc_health.v1.health_pb2", "grpc_reflection.v1alpha.reflection_pb2")
_OF_SIGNATORY = {
    "name": "SELECT name FROM signatory",
    "key": "SELECT key_uri FROM signatory",
    "algorithm": "SELECT algorithm FROM signatory",
    "certificates": "SELECT certificate_chain FROM signatory",
}
_UNKNOWN = object()


@dataclass(frozen=True)
class Row:
    """A row of the table: an RPC of a service, with the request that is sent."""

    service: str
    rpc: MethodDescriptor
    act: Act

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.rpc.name} ({self.act.words})" if self.act.words else self.rpc.name

    @property
    def path(self) -> str:
        """As gRPC calls it."""
        return f"/{self.rpc.containing_service.full_name}/{self.rpc.name}"

    @property
    def carries_token(self) -> bool:
        """Whether the token of whoever acts stands in the request instead of the metadata."""
        return "person_token" in self.rpc.input_type.fields_by_name


def rows(service: str) -> list[Row]:
    """All that a service serves, in the order of the descriptors."""
    public = [importlib.import_module(module).DESCRIPTOR for module in _PUBLIC]
    known = [*methods(), *(rpc for file in public for each in file.services_by_name.values() for rpc in each.methods)]
    served = [rpc for rpc in known if service in served_by(rpc)]
    return [Row(service, rpc, act) for rpc in served for act in ACTS.get(rpc.name, (Act(),))]


def served_by(rpc: MethodDescriptor) -> tuple[str, ...]:
    """The services that serve an RPC."""
    name = rpc.containing_service.full_name
    if not name.startswith("hoso.") or name in EVERYWHERE:
        return SERVICES
    return (_OWNERS.get(name) or name.split(".")[1],)


class Requests:
    """Makes requests about what is in the city's databases."""

    def __init__(self, city: City) -> None:
        class_id = "(SELECT c.id FROM school_class c JOIN school_year y ON y.id = c.school_year_id"
        class_id += " JOIN school s ON s.id = y.school_id WHERE s.code = %s AND c.name = %s)"
        correction = f"SELECT id FROM correction WHERE class_id = {class_id} ORDER BY number DESC LIMIT 1"
        snapshot = f"SELECT id FROM snapshot WHERE class_id = {class_id} ORDER BY sequence LIMIT 1"
        self._ids = {
            "book": str(city.one("gradebook", f"SELECT id FROM book WHERE class_id = {class_id}", A.school, CLASS)),
            "printed book": str(city.one("print", "SELECT book FROM rendition WHERE school = %s LIMIT 1", A.school)),
            "correction": str(city.one("gradebook", correction, A.school, CLASS)),
            "snapshot": str(city.one("gradebook", snapshot, A.school, CLASS)),
            "rendition": str(city.one("print", "SELECT id FROM rendition WHERE school = %s LIMIT 1", A.school)),
            "document": str(city.one("signing", "SELECT id FROM document WHERE school = %s", A.school)),
            "record": str(city.one("archive", "SELECT id FROM record WHERE school = %s LIMIT 1", A.school)),
            "other student": "3189901002",
            "statement": city.statement,
            **{
                f"{words} of the teacher": city.one("signing", f"{query} WHERE id = %s", A.teacher)
                for words, query in _OF_SIGNATORY.items()
            },
        }
        self._jobs = {service: city.one(service, "SELECT id FROM job WHERE kind = 'given-up'") for service in SERVICES}

    def make(self, row: Row, token: str = "") -> Message:
        """The request of a row, with fresh ids; token: of whoever acts, where the request carries
        it.
        """
        values = {**VALUES, **self._ids, "job": self._jobs[row.service], "person_token": token}
        return build(row.rpc.input_type, values, row.act)


def build(kind: Descriptor, values: Mapping[str, Any], act: Act | None = None) -> Message:
    """A message with a value for every field. Raises LookupError for a field that no value is
    known for.
    """
    given = act.fields if act else {}
    fields = {}
    for each in kind.fields:
        if each.name in given:
            value = _filled(given[each.name], values)
        elif (act and act.only) or (each.containing_oneof and each.containing_oneof.fields[0] is not each):
            continue
        else:
            value = _value(each, values)
        if value is not None:
            fields[each.name] = [value] if each.is_repeated and not isinstance(value, list) else value
    return GetMessageClass(kind)(**fields)


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """A value with the ids that it names."""
    if value == "{new}":
        return str(uuid.uuid4())
    if isinstance(value, str) and value.startswith("{"):
        return values[value.strip("{}")]
    if isinstance(value, dict):
        return {name: _filled(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    return value


def _value(each: FieldDescriptor, values: Mapping[str, Any]) -> Any:
    by_name = _UNKNOWN if each.message_type else values.get(each.name, _UNKNOWN)
    known = values.get(f"{each.containing_type.name}.{each.name}", by_name)
    if known is not _UNKNOWN:
        return _filled(known, values)
    if each.message_type is not None:
        return build(each.message_type, values)
    if each.enum_type is not None:
        return each.enum_type.values[1].number
    if each.type == each.TYPE_BOOL:
        return False
    raise LookupError(f"say in tests/integration/rights/values.py what {each.full_name} is in a usual request")

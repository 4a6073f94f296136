"""The refusal of one item of a call that carries many, as a message."""

from hoso.gradebook.v1 import common_pb2

from services.common.errors import HosoError, Invalid
from services.common.grpc_status import status_of


def refusal(error: HosoError) -> common_pb2.Refusal:
    """A message that says what the status of an RPC for this item alone would say."""
    violations = error.violations if isinstance(error, Invalid) else ()
    return common_pb2.Refusal(
        code=status_of(error).code,
        reason=error.reason,
        message=error.message,
        facts=error.facts,
        violations=[common_pb2.RefusedField(field=v.field, rule=v.rule, message=v.message) for v in violations],
    )

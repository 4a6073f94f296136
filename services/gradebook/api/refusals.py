"""A refusal of one of many that come in one call, as a message."""

from hoso.gradebook.v1 import common_pb2

from services.common.errors import HosoError, Invalid
from services.common.grpc_server import status_of


def refusal(error: HosoError) -> common_pb2.Refusal:
    """What the status of the RPC would say that does the same alone."""
    violations = error.violations if isinstance(error, Invalid) else ()
    return common_pb2.Refusal(
        code=status_of(error).code,
        reason=error.reason,
        message=error.message,
        facts=error.facts,
        violations=[common_pb2.RefusedField(field=v.field, rule=v.rule, message=v.message) for v in violations],
    )

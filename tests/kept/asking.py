"""Making a kept call again."""

from typing import Any

from google.protobuf.json_format import ParseDict
from hoso.gradebook.v1 import marks_pb2

from tests.integration.gradebook import streams
from tests.integration.gradebook.world import World
from tests.kept import kept
from tests.kept.kept import Call


def ask(world: World, call: Call) -> Any:
    """Make a kept call; its answer as it is kept."""
    token = world.token(call["person"], school=kept.school_of(call)) if call["person"] else None
    if call["rpc"] == "ImportMarks":
        sheet = ParseDict(call["request"], marks_pb2.ImportMarksRequest(person_token=token or ""))
        (answer,) = streams.send(world, [sheet], client=call["client"])
        return kept.as_json(answer)
    fields = kept.request_fields(call)
    if call["rpc"] == "ExportMarks":
        return kept.as_json(list(streams.export(world, client=call["client"], **fields)))
    return kept.as_json(world.ask(call["rpc"], client=call["client"], token=token, **fields))

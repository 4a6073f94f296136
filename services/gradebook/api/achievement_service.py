"""AchievementService; see proto/hoso/gradebook/v1/achievements.proto."""

import grpc
from hoso.gradebook.v1 import achievements_pb2, achievements_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.gradebook.api import messages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref
from services.gradebook.api.request_identity import request_identity
from services.gradebook.entry import achievements
from services.gradebook.model.permissions import Permission

ACCESS = {
    "EnterAchievements": access_for(Permission.ENTER_ACHIEVEMENTS),
    "GetAchievements": Access(clients=("vendor/*",)),
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Achievements(database)
    return Served(
        add=lambda server: achievements_pb2_grpc.add_AchievementServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.AchievementService",
        access=ACCESS,
    )


class Achievements(achievements_pb2_grpc.AchievementServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def EnterAchievements(
        self, request: achievements_pb2.EnterAchievementsRequest, context: grpc.ServicerContext
    ) -> achievements_pb2.EnterAchievementsResponse:
        """Enter certificates or competition results."""
        who = caller()
        entered = achievements.enter_achievements(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            kind=request.kind,
            rows=[(row.student, row.text) for row in request.rows],
        )
        return achievements_pb2.EnterAchievementsResponse(changed=entered.changed, unchanged=entered.unchanged)

    def GetAchievements(
        self, request: achievements_pb2.GetAchievementsRequest, context: grpc.ServicerContext
    ) -> achievements_pb2.GetAchievementsResponse:
        """What stands, or one student's versions."""
        texts = achievements.get_achievements(
            self._database,
            caller(),
            class_ref(request.school_class),
            kind=request.kind,
            student=request.student,
        )
        return achievements_pb2.GetAchievementsResponse(
            achievements=messages.texts(achievements_pb2.Achievement, texts)
        )

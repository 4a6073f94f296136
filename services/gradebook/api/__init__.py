"""The gRPC face: messages become arguments, results become messages.

No rule stands here and no SQL. `try` stands only where a text of a message is parsed: use cases
raise what a caller is told, and `services.common.grpc_call` answers with it.
"""

from services.common.db import Database
from services.common.grpc_call import Refusal
from services.common.grpc_server import Served
from services.gradebook.api import (
    achievement_service,
    book_service,
    class_book_service,
    correction_service,
    dossier_service,
    exemption_service,
    mark_service,
    register_service,
    remark_service,
    review_service,
    roster_service,
)


def served(database: Database, refused: Refusal) -> list[Served]:
    """The services of gradebook over one database, ready for `grpc_server.serve`.

    refused: records what is refused within a call that does many things.
    """
    return [
        roster_service.served(database),
        mark_service.served(database, refused),
        book_service.served(database, refused),
        correction_service.served(database),
        review_service.served(database),
        exemption_service.served(database),
        class_book_service.served(database),
        dossier_service.served(database),
        register_service.served(database),
        remark_service.served(database),
        achievement_service.served(database),
    ]

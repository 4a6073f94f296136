"""Which clients may call an RPC that acts, from the table of permissions."""

from services.common.identity import Access
from services.gradebook.model.permissions import CLIENTS, Actor, Permission

_PATTERNS = {Actor.VENDOR: "vendor/*", Actor.DEPARTMENT: "operator/department"}


def access_for(*permissions: Permission) -> Access:
    """The access to an RPC that makes these acts.

    The clients named by the table; vendors on behalf of a person, unless only clients may act.
    Where the Department may act too, which has no persons, the use case asks vendors for one.
    """
    actors = frozenset[Actor]().union(*(permission.value.actors for permission in permissions))
    clients = tuple(_PATTERNS[actor] for actor in _PATTERNS if actor in actors)
    if actors <= CLIENTS:
        return Access(clients)
    return Access((*clients, _PATTERNS[Actor.VENDOR]), person=Actor.DEPARTMENT not in actors)

"""Gradebook's catalogue says who signs a record; print and signing read it in the frozen
content.

They repeat ranks and roles to check a content that they are given and to word a signature's reason,
and decide nobody's permission by them: the same roles and ranks stand in all three.
"""

from services.gradebook.model.catalogue import SEAL_RANK, SIGNATORIES, SignatoryRole
from services.print.consistency import common as consistency
from services.signing import domain as signing


def test_print_checks_the_ranks_of_the_catalogue() -> None:
    ranks = {signatory.role.name: signatory.rank for listed in SIGNATORIES.values() for signatory in listed}
    assert ranks == consistency.RANKS
    assert set(ranks) == set(SignatoryRole.__members__)


def test_signing_knows_the_rank_of_the_seal_and_a_reason_for_every_role() -> None:
    assert signing.SEAL_RANK == SEAL_RANK
    required = [signing.Required("sig", 1, 1, role, "gv") for role in (*SignatoryRole.__members__, "OTHER")]
    *known, other = [signing.reason_text(signature) for signature in required]
    assert len(set(known)) == len(SignatoryRole)
    assert other not in known

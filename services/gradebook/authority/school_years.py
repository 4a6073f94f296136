"""Opening a school year, with the Department's leave to keep the gradebook."""

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.authority import dossier_store as stored
from services.gradebook.authority import vendor_store
from services.gradebook.model import dossier_rules, roster_rules
from services.gradebook.model.domain import (
    Authorisation,
    SchoolYear,
)
from services.gradebook.roster import access, clock, roster_store


def put_school_year(database: Database, caller: Caller, school: str, year: SchoolYear) -> None:
    """Open a school year or change its settings, as `dossiers.settled_year` decides.

    Raises NotFound SCHOOL_UNKNOWN, Rejected VENDOR_OF_DOSSIER.
    """
    roster_rules.check_school_ref(school)
    roster_rules.check_school_year(year)
    with database.transaction() as tx:
        school_id, _ = access.school(tx, school)
        vendor_store.share(tx)
        before = stored.year_standing(tx, school_id, year.name)
        settled = dossier_rules.settled_year(year, before, clock.now(tx))
        roster_store.put_year(tx, school_id, settled)
        access.record(
            tx,
            caller,
            school,
            "SCHOOL_YEAR_PUT",
            f"schools/{school}/years/{year.name}",
            vendor=settled.vendor,
            paper_track_required=settled.paper_track_required,
            authorisation=Authorisation(settled.authorisation).name,
            decision=settled.authorisation_decision,
            authorised=settled.authorised_time is not None,
        )

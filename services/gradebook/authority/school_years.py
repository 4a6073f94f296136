"""Opening a school year, with the ground on which the school may keep the gradebook."""

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.authority import dossier_store, vendor_store
from services.gradebook.model import dossier_rules, roster_rules
from services.gradebook.model.domain import Authorisation, SchoolYear
from services.gradebook.roster import access, clock, roster_store, standing


def put_school_year(database: Database, caller: Caller, school: str, year: SchoolYear) -> None:
    """Open a school year or change its settings (Department), as `dossier_rules.authorised_year`
    decides.

    Raises Invalid, NotFound SCHOOL_UNKNOWN, Rejected VENDOR_OF_DOSSIER.
    """
    roster_rules.check_school_ref(school)
    roster_rules.check_school_year(year)
    with database.transaction() as tx:
        school_id, _ = access.school(tx, school)
        vendor_store.share(tx)
        before = dossier_store.year_settings(tx, school_id, year.name)
        authorised = dossier_rules.authorised_year(year, before, clock.now(tx))
        roster_store.put_year(tx, school_id, authorised)
        standing.year_served(tx, school, year.name, authorised.vendor)
        access.record(
            tx,
            caller,
            school,
            "SCHOOL_YEAR_PUT",
            f"schools/{school}/years/{year.name}",
            vendor=authorised.vendor,
            paper_track_required=authorised.paper_track_required,
            authorisation=Authorisation(authorised.authorisation).name,
            decision=authorised.authorisation_decision,
            authorised=authorised.authorised_time is not None,
        )

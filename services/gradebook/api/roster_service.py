"""RosterService; see proto/hoso/gradebook/v1/roster.proto."""

from typing import cast

import grpc
from hoso.gradebook.v1 import common_pb2, roster_pb2, roster_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import page_size, timestamp
from services.gradebook.api import pages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref, student, student_message
from services.gradebook.authority import policies, school_years
from services.gradebook.model.domain import (
    Assignment,
    Person,
    School,
    SchoolClass,
    SchoolYear,
    Subject,
)
from services.gradebook.model.permissions import Permission
from services.gradebook.register import class_lists
from services.gradebook.roster import roster
from services.gradebook.rules import Policy

_VENDOR = Access(clients=("vendor/*",))
_BOTH = Access(clients=("vendor/*", "operator/department"))
ACCESS = {
    "PutSchool": access_for(Permission.PUT_SCHOOL),
    "PutSchoolYear": access_for(Permission.PUT_SCHOOL_YEAR),
    "PutAssessmentPolicy": access_for(Permission.PUT_ASSESSMENT_POLICY),
    "GetAssessmentPolicy": _BOTH,
    "PutPeople": access_for(Permission.PUT_PEOPLE),
    "PutSubjects": access_for(Permission.PUT_SUBJECTS),
    "PutClasses": access_for(Permission.PUT_CLASSES),
    "PutStudents": access_for(Permission.PUT_STUDENTS),
    "PutAssignments": access_for(Permission.PUT_ASSIGNMENTS),
    "GetSchool": _BOTH,
    "ListClasses": _BOTH,
    "ListPeople": _VENDOR,
    "ListStudents": _VENDOR,
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Roster(database)
    return Served(
        add=lambda server: roster_pb2_grpc.add_RosterServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.RosterService",
        access=ACCESS,
    )


class Roster(roster_pb2_grpc.RosterServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def PutSchool(
        self, request: roster_pb2.PutSchoolRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutSchoolResponse:
        """Register or update a school."""
        one = request.school
        roster.put_school(
            self._database,
            caller(),
            School(one.code, one.name, one.level, one.commune, one.province, one.department),
        )
        return roster_pb2.PutSchoolResponse()

    def PutSchoolYear(
        self, request: roster_pb2.PutSchoolYearRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutSchoolYearResponse:
        """Open a school year."""
        one = request.year
        year = SchoolYear(
            one.school_year, one.vendor, one.paper_track_required, one.authorisation, one.authorisation_decision
        )
        school_years.put_school_year(self._database, caller(), request.school, year)
        return roster_pb2.PutSchoolYearResponse()

    def PutAssessmentPolicy(
        self, request: roster_pb2.PutAssessmentPolicyRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutAssessmentPolicyResponse:
        """Record a ruling of the Department."""
        one = request.policy
        policy = Policy(
            failed_comment_subject_counts=one.failed_comment_subject_counts,
            adjustment_by_ideal_mark=one.adjustment_by_ideal_mark,
            retest_after_summer_training=one.retest_after_summer_training,
        )
        policies.put_policy(self._database, caller(), one.school_year, policy, one.decision)
        return roster_pb2.PutAssessmentPolicyResponse()

    def GetAssessmentPolicy(
        self, request: roster_pb2.GetAssessmentPolicyRequest, context: grpc.ServicerContext
    ) -> roster_pb2.GetAssessmentPolicyResponse:
        """The ruling that holds in a school year."""
        found = policies.get_policy(self._database, request.school_year)
        return roster_pb2.GetAssessmentPolicyResponse(
            policy=roster_pb2.AssessmentPolicy(
                school_year=found.school_year,
                failed_comment_subject_counts=found.policy.failed_comment_subject_counts,
                adjustment_by_ideal_mark=found.policy.adjustment_by_ideal_mark,
                retest_after_summer_training=found.policy.retest_after_summer_training,
                decision=found.decision,
            )
        )

    def PutPeople(
        self, request: roster_pb2.PutPeopleRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutPeopleResponse:
        """Register or update people."""
        people = [Person(one.id, one.name, tuple(one.roles)) for one in request.people]
        roster.put_people(self._database, caller(), request.school, people)
        return roster_pb2.PutPeopleResponse()

    def PutSubjects(
        self, request: roster_pb2.PutSubjectsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutSubjectsResponse:
        """Set the subjects of a grade."""
        subjects = [
            Subject(one.code, one.name, one.kind, one.periods_per_year, one.topic_cluster_semester)
            for one in request.subjects
        ]
        roster.put_subjects(
            self._database, caller(), request.school, request.school_year, request.grade_level, subjects
        )
        return roster_pb2.PutSubjectsResponse()

    def PutClasses(
        self, request: roster_pb2.PutClassesRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutClassesResponse:
        """Register or update classes."""
        classes = [SchoolClass(one.name, one.grade_level, one.homeroom_teacher) for one in request.classes]
        roster.put_classes(self._database, caller(), request.school, request.school_year, classes)
        return roster_pb2.PutClassesResponse()

    def PutStudents(
        self, request: roster_pb2.PutStudentsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutStudentsResponse:
        """Register or update students of a class."""
        students = [student(one) for one in request.students]
        class_lists.put_students(self._database, caller(), class_ref(request.school_class), students)
        return roster_pb2.PutStudentsResponse()

    def PutAssignments(
        self, request: roster_pb2.PutAssignmentsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutAssignmentsResponse:
        """Set who teaches what in a class."""
        assignments = [Assignment(one.subject, tuple(one.teachers)) for one in request.assignments]
        roster.put_assignments(self._database, caller(), class_ref(request.school_class), assignments)
        return roster_pb2.PutAssignmentsResponse()

    def GetSchool(
        self, request: roster_pb2.GetSchoolRequest, context: grpc.ServicerContext
    ) -> roster_pb2.GetSchoolResponse:
        """One school."""
        one, years = roster.get_school(self._database, caller(), request.school)
        return roster_pb2.GetSchoolResponse(
            school=roster_pb2.School(
                code=one.code,
                name=one.name,
                level=cast("common_pb2.SchoolLevel.ValueType", one.level),
                commune=one.commune,
                province=one.province,
                department=one.department,
            ),
            years=[
                roster_pb2.SchoolYear(
                    school_year=year.name,
                    vendor=year.vendor,
                    paper_track_required=year.paper_track_required,
                    authorisation=cast("roster_pb2.Authorisation.ValueType", year.authorisation),
                    authorisation_decision=year.authorisation_decision,
                    authorised_time=timestamp(year.authorised_time),
                )
                for year in years
            ],
        )

    def ListClasses(
        self, request: roster_pb2.ListClassesRequest, context: grpc.ServicerContext
    ) -> roster_pb2.ListClassesResponse:
        """A page of classes."""
        limit = page_size(request.page_size)
        after = cast(tuple[int, str], pages.decode(request.page_token, (0, "")))
        found = roster.list_classes(self._database, caller(), request.school, request.school_year, after, limit)
        return roster_pb2.ListClassesResponse(
            classes=[
                roster_pb2.SchoolClass(
                    name=one.name, grade_level=one.grade_level, homeroom_teacher=one.homeroom_teacher
                )
                for one in found
            ],
            next_page_token=pages.encode((found[-1].grade_level, found[-1].name)) if len(found) == limit else "",
        )

    def ListPeople(
        self, request: roster_pb2.ListPeopleRequest, context: grpc.ServicerContext
    ) -> roster_pb2.ListPeopleResponse:
        """A page of people."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[str], pages.decode(request.page_token, ("",)))
        found = roster.list_people(self._database, caller(), request.school, after, limit)
        return roster_pb2.ListPeopleResponse(
            people=[
                roster_pb2.Person(
                    id=one.id, name=one.name, roles=cast("list[common_pb2.Role.ValueType]", list(one.roles))
                )
                for one in found
            ],
            next_page_token=pages.encode((found[-1].id,)) if len(found) == limit else "",
        )

    def ListStudents(
        self, request: roster_pb2.ListStudentsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.ListStudentsResponse:
        """The students of a class."""
        found = roster.list_students(self._database, caller(), class_ref(request.school_class))
        return roster_pb2.ListStudentsResponse(students=[student_message(one) for one in found])

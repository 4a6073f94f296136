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
    "PutPeople": access_for(Permission.APPOINT_PRINCIPAL, Permission.PUT_PEOPLE),
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
        message = request.school
        school = School(
            message.code, message.name, message.level, message.commune, message.province, message.department
        )
        roster.put_school(self._database, caller(), school)
        return roster_pb2.PutSchoolResponse()

    def PutSchoolYear(
        self, request: roster_pb2.PutSchoolYearRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutSchoolYearResponse:
        """Open a school year."""
        message = request.year
        year = SchoolYear(
            message.school_year,
            message.vendor,
            message.paper_track_required,
            message.authorisation,
            message.authorisation_decision,
        )
        school_years.put_school_year(self._database, caller(), request.school, year)
        return roster_pb2.PutSchoolYearResponse()

    def PutAssessmentPolicy(
        self, request: roster_pb2.PutAssessmentPolicyRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutAssessmentPolicyResponse:
        """Record a ruling of the Department."""
        message = request.policy
        policy = Policy(
            failed_comment_subject_counts=message.failed_comment_subject_counts,
            adjustment_by_ideal_mark=message.adjustment_by_ideal_mark,
            retest_after_summer_training=message.retest_after_summer_training,
        )
        policies.put_policy(self._database, caller(), message.school_year, policy, message.decision)
        return roster_pb2.PutAssessmentPolicyResponse()

    def GetAssessmentPolicy(
        self, request: roster_pb2.GetAssessmentPolicyRequest, context: grpc.ServicerContext
    ) -> roster_pb2.GetAssessmentPolicyResponse:
        """The ruling that holds in a school year."""
        ruling = policies.get_policy(self._database, request.school_year)
        return roster_pb2.GetAssessmentPolicyResponse(
            policy=roster_pb2.AssessmentPolicy(
                school_year=ruling.school_year,
                failed_comment_subject_counts=ruling.policy.failed_comment_subject_counts,
                adjustment_by_ideal_mark=ruling.policy.adjustment_by_ideal_mark,
                retest_after_summer_training=ruling.policy.retest_after_summer_training,
                decision=ruling.decision,
            )
        )

    def PutPeople(
        self, request: roster_pb2.PutPeopleRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutPeopleResponse:
        """Register or update people."""
        people = [Person(person.id, person.name, tuple(person.roles)) for person in request.people]
        roster.put_people(self._database, caller(), request.school, people)
        return roster_pb2.PutPeopleResponse()

    def PutSubjects(
        self, request: roster_pb2.PutSubjectsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutSubjectsResponse:
        """Set the subjects of a grade."""
        subjects = [
            Subject(subject.code, subject.name, subject.kind, subject.periods_per_year, subject.topic_cluster_semester)
            for subject in request.subjects
        ]
        roster.put_subjects(
            self._database, caller(), request.school, request.school_year, request.grade_level, subjects=subjects
        )
        return roster_pb2.PutSubjectsResponse()

    def PutClasses(
        self, request: roster_pb2.PutClassesRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutClassesResponse:
        """Register or update classes."""
        classes = [
            SchoolClass(message.name, message.grade_level, message.homeroom_teacher) for message in request.classes
        ]
        roster.put_classes(self._database, caller(), request.school, request.school_year, classes)
        return roster_pb2.PutClassesResponse()

    def PutStudents(
        self, request: roster_pb2.PutStudentsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutStudentsResponse:
        """Register or update students of a class."""
        students = [student(message) for message in request.students]
        class_lists.put_students(self._database, caller(), class_ref(request.school_class), students)
        return roster_pb2.PutStudentsResponse()

    def PutAssignments(
        self, request: roster_pb2.PutAssignmentsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.PutAssignmentsResponse:
        """Set who teaches what in a class."""
        assignments = [Assignment(message.subject, tuple(message.teachers)) for message in request.assignments]
        roster.put_assignments(self._database, caller(), class_ref(request.school_class), assignments)
        return roster_pb2.PutAssignmentsResponse()

    def GetSchool(
        self, request: roster_pb2.GetSchoolRequest, context: grpc.ServicerContext
    ) -> roster_pb2.GetSchoolResponse:
        """A school and its years."""
        school, years = roster.get_school(self._database, caller(), request.school)
        return roster_pb2.GetSchoolResponse(
            school=roster_pb2.School(
                code=school.code,
                name=school.name,
                level=cast("common_pb2.SchoolLevel.ValueType", school.level),
                commune=school.commune,
                province=school.province,
                department=school.department,
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
        classes = roster.list_classes(
            self._database, caller(), request.school, request.school_year, after=after, limit=limit
        )
        return roster_pb2.ListClassesResponse(
            classes=[
                roster_pb2.SchoolClass(
                    name=school_class.name,
                    grade_level=school_class.grade_level,
                    homeroom_teacher=school_class.homeroom_teacher,
                )
                for school_class in classes
            ],
            next_page_token=pages.encode((classes[-1].grade_level, classes[-1].name)) if len(classes) == limit else "",
        )

    def ListPeople(
        self, request: roster_pb2.ListPeopleRequest, context: grpc.ServicerContext
    ) -> roster_pb2.ListPeopleResponse:
        """A page of people."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[str], pages.decode(request.page_token, ("",)))
        people = roster.list_people(self._database, caller(), request.school, after, limit)
        return roster_pb2.ListPeopleResponse(
            people=[
                roster_pb2.Person(
                    id=person.id, name=person.name, roles=cast("list[common_pb2.Role.ValueType]", list(person.roles))
                )
                for person in people
            ],
            next_page_token=pages.encode((people[-1].id,)) if len(people) == limit else "",
        )

    def ListStudents(
        self, request: roster_pb2.ListStudentsRequest, context: grpc.ServicerContext
    ) -> roster_pb2.ListStudentsResponse:
        """The students of a class."""
        students = roster.list_students(self._database, caller(), class_ref(request.school_class))
        return roster_pb2.ListStudentsResponse(students=[student_message(row) for row in students])

"""The people of a school of `hoso demo`, by what they are to its second class."""

from dataclasses import dataclass


@dataclass(frozen=True)
class People:
    """Ids of people. student: by moet_student_id."""

    school: str
    student: str = ""
    teacher: str = ""
    class_teacher: str = ""
    other_teacher: str = ""
    homeroom: str = ""

    @property
    def principal(self) -> str:
        return f"{self.school}-ht-01"

    @property
    def vice_principal(self) -> str:
        return f"{self.school}-pht-01"

    @property
    def data_officer(self) -> str:
        return f"{self.school}-cb-01"

    @property
    def seal_custodian(self) -> str:
        return f"{self.school}-vt-01"

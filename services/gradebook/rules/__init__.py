"""The assessment circulars of grades 6–12, pure and versioned.

No I/O, clock, log, SQL or proto: the same input gives the same result for ever, so an inspector can replay a year.
Scores are integer tenths (83 is 8.3). An open cell is None and stays None in every average above it; a zero exists
only where a person recorded it.

What to call, from the smallest to the whole:

- `rule_set(school_year_start, grade)`: the version that applies; `required_regular(...)`: how many regular marks.
- `SCORES[text]` / `parse_mark(kind, text)`: read a mark; `counting_mark(kind, cell)`: the mark a cell state yields.
- `semester_average`, `semester_comment`, `year_average`: results of one subject. Under TT22 and TT58 alike the year
  result of a comment-only subject is that of semester 2.
- `learning_result(scores, comments, policy)`, `conduct_year(I, II)`, `award(...)`, `decide(Standing(...), policy)`:
  TT22. Their TT58 counterparts are in `legacy`.
- `assess(rules, PupilYear(...), policy)`: everything above for one pupil and year, either regime.
- `open_cells(rules, subject)`: which required cells of a subject are still open, for completeness views.
- `evaluate.evaluate_case(dict)`: the same from and to JSON shapes.
"""

from services.gradebook.rules.averages import (
    SemesterMarks,
    semester_average,
    semester_comment,
    year_average,
)
from services.gradebook.rules.learning import LearningResult, award, conduct_year, learning_result
from services.gradebook.rules.marks import (
    COMMENTS,
    SCORES,
    BadMark,
    Cell,
    CellStatus,
    Mark,
    counting_mark,
    format_mark,
    parse_comment,
    parse_mark,
    parse_score,
)
from services.gradebook.rules.promotion import Standing, decide, needs_reassessment
from services.gradebook.rules.pupil import (
    Periods,
    PupilResult,
    PupilYear,
    SubjectResult,
    SubjectYear,
    assess,
    open_cells,
)
from services.gradebook.rules.regime import (
    DEFAULT_POLICY,
    NoRules,
    Policy,
    Regime,
    RegularCount,
    RuleSet,
    required_regular,
    rule_set,
)
from services.gradebook.rules.words import (
    Academic,
    Award,
    Comment,
    Conduct,
    Level,
    Promotion,
    SubjectKind,
    SubjectRole,
)

__all__ = [
    "COMMENTS",
    "DEFAULT_POLICY",
    "SCORES",
    "Academic",
    "Award",
    "BadMark",
    "Cell",
    "CellStatus",
    "Comment",
    "Conduct",
    "LearningResult",
    "Level",
    "Mark",
    "NoRules",
    "Periods",
    "Policy",
    "Promotion",
    "PupilResult",
    "PupilYear",
    "Regime",
    "RegularCount",
    "RuleSet",
    "SemesterMarks",
    "Standing",
    "SubjectKind",
    "SubjectResult",
    "SubjectRole",
    "SubjectYear",
    "assess",
    "award",
    "conduct_year",
    "counting_mark",
    "decide",
    "format_mark",
    "learning_result",
    "needs_reassessment",
    "open_cells",
    "parse_comment",
    "parse_mark",
    "parse_score",
    "required_regular",
    "rule_set",
    "semester_average",
    "semester_comment",
    "year_average",
]

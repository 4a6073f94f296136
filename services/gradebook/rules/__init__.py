"""The assessment circulars of grades 6–12, pure and versioned.

No I/O, clock, log, SQL or proto: the same input always gives the same result, so an inspector can
replay a year. Scores are integer tenths (83 is 8.3). An open cell is None and makes every average
that includes it None; a zero exists only where a person recorded it.

The functions, from the smallest to the whole:

- `rule_set(school_year_start, grade)`: the version that applies; `required_regular(...)`: how many
  regular marks a subject needs.
- `SCORES[text]` / `parse_mark(kind, text)`: read a mark; `counting_mark(kind, cell)`: the mark that
  a cell contributes.
- `semester_average`, `semester_comment`, `year_average`: results of one subject. Under both TT22
  and TT58 the year result of a comment-only subject is that of semester 2.
- `learning_result(scores, comments, policy)`, `conduct_year(I, II)`, `award(...)`,
  `decide(PromotionInput(...), policy)`: TT22. Their TT58 counterparts are in `legacy`.
- `assess(rules, PupilYear(...), policy)`: all of the above for one pupil and year, either regime.
- `open_cells(rules, subject)`: the required cells of a subject that are still open.
- `evaluation.evaluate.evaluate_case(dict)`: the same as `assess`, from and to JSON shapes.
"""

from services.gradebook.rules.averages import (
    SemesterMarks,
    semester_average,
    semester_comment,
    year_average,
)
from services.gradebook.rules.learning import award, conduct_year, learning_result
from services.gradebook.rules.marks import (
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
from services.gradebook.rules.promotion import PromotionInput, decide
from services.gradebook.rules.pupil import (
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
    "DEFAULT_POLICY",
    "SCORES",
    "Academic",
    "Award",
    "BadMark",
    "Cell",
    "CellStatus",
    "Comment",
    "Conduct",
    "Level",
    "Mark",
    "NoRules",
    "Policy",
    "Promotion",
    "PromotionInput",
    "PupilResult",
    "PupilYear",
    "Regime",
    "RuleSet",
    "SemesterMarks",
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

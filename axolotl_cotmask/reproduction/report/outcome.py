"""What a plan came to: its runs, rows and claims as they stand now. The report is made of this and nothing else.

Accuracies, differences and their intervals are shares from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from axolotl_cotmask.evaluation.stats.claims import Verdict
from axolotl_cotmask.evaluation.stats.estimates import Estimate
from axolotl_cotmask.evaluation.stats.paired import Comparison


class RunStatus(StrEnum):
    """How far a run has come."""

    DONE = "done"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class StageFailure:
    """The stage that failed (train, evaluate, ...), its log's path below the output directory, and its last lines."""

    stage: str
    log: str
    last_lines: Sequence[str]


@dataclass(frozen=True)
class RunOutcome:
    """A row with one seed. Everything but names and ``status`` is empty as long as it is not there.

    ``made_of`` names base model and problems where a seed stands for them.
    ``values`` are shares by the measure's title; ``invalid`` likewise the share of answers that the rule could not
    read, and ``robust`` the accuracy by the robust rule, where the task has them. ``signatures`` are by lm-eval task.
    ``records`` are the stages' ``provenance.json`` by stage (train, evaluate). ``history`` is the trainer's log:
    entries with ``step`` and, among others, ``loss``, ``cotmask/scheduled_ratio``, ``cotmask/realised_ratio``,
    ``cotmask/loss_noised`` and ``cotmask/loss_clean``. ``curve`` is the accuracy of each checkpoint by training
    samples seen (Fig. 2), where the plan asks for it.
    """

    name: str
    row: str
    seed: int
    status: RunStatus
    values: Mapping[str, float] = field(default_factory=dict)
    invalid: Mapping[str, float] = field(default_factory=dict)
    robust: Mapping[str, float] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    curve: Sequence[tuple[int, float]] = ()
    failure: StageFailure | None = None
    made_of: str = ""


@dataclass(frozen=True)
class RowOutcome:
    """Runs that differ in their seed only, such as ``llama2-7b/gsm8k-mft``.

    ``group`` is the table that the row stands in. ``estimates`` (mean over seeds with its interval) and ``deviations``
    (standard deviation over seeds; none for a single one) are by the measure's title; ``published`` are the paper's
    accuracies. ``mask_ratio`` is p_max, ``schedule`` the cotmask.schedule, for accuracy by ratio (Fig. 3).
    """

    name: str
    label: str
    group: str
    estimates: Mapping[str, Estimate]
    deviations: Mapping[str, float]
    published: Mapping[str, float]
    runs: Sequence[RunOutcome]
    mask_ratio: float | None = None
    schedule: str | None = None


@dataclass(frozen=True)
class JudgedClaim:
    """A claimed difference, and what was measured of it.

    ``per_seed`` compares the two runs of a seed on the same questions; ``measured`` is their common estimate, None
    where a side is missing, which ``missing`` then names. ``note`` says what besides the training differs between the
    sides. ``comparisons`` counts the claims of the measure whose intervals hold together. ``on_par``: the claim is that
    there is no difference to speak of.
    """

    measure: str
    baseline: str
    treated: str
    claimed: float
    source: str
    per_seed: Mapping[int, Comparison]
    measured: Estimate | None
    verdict: Verdict
    missing: str = ""
    comparisons: int = 1
    note: str = ""
    on_par: bool = False


@dataclass(frozen=True)
class CalibratedModel:
    """A released checkpoint's accuracy by our tasks beside the published one; None: not run."""

    model: str
    measure: str
    published: float
    measured: float | None
    verdict: str


@dataclass(frozen=True)
class ExternalResult:
    """A result that others published and nobody measured here, judged by the same rule."""

    source: str
    setting: str
    measure: str
    sft: Sequence[float]
    mft: Sequence[float]
    difference: Estimate
    note: str
    claimed: float
    claim_source: str
    verdict: Verdict


#: Share of the predicted numbers that change: by row, source (question or chain) and bucket of distances,
#: one value per seed.
DependencyShares = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]


@dataclass(frozen=True)
class Answer:
    """A solution that a model wrote: its text in parts, each with whether it is the first wrong step."""

    label: str
    right: bool
    parts: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Example:
    """A question that one model gets wrong and the other right; ``shown`` says which of such questions it is."""

    question: str
    answers: Sequence[Answer]
    shown: str


@dataclass(frozen=True)
class Opening:
    """What a report begins with: the comparison that matters most, and a question that shows it.

    ``rows`` is the number of problems that the models were trained on.
    """

    claim: JudgedClaim
    rows: int
    example: Example | None


@dataclass(frozen=True)
class PlanOutcome:
    """All of a plan. ``notes`` are Markdown paragraphs that belong above the tables; ``commands`` are by stage.

    ``failures`` are those that belong to no run. ``measures`` are the titles of the columns, in order, with one
    sentence each on what they are. ``dependency`` is by group. ``minutes`` is the sum of the stages' wall times.
    """

    title: str
    command: str
    made: str
    notes: Sequence[str]
    measures: Mapping[str, str]
    rows: Sequence[RowOutcome]
    claims: Sequence[JudgedClaim] = ()
    opening: Opening | None = None
    calibrated: Sequence[CalibratedModel] = ()
    external: Sequence[ExternalResult] = ()
    failures: Sequence[StageFailure] = ()
    dependency: Mapping[str, DependencyShares] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    minutes: float = 0.0

"""The rule that claims are judged by, the same for laptop and paper: the one place where a difference is judged."""

from __future__ import annotations

from enum import StrEnum

from axolotl_cotmask.evaluation.stats.estimates import Estimate


class Verdict(StrEnum):
    """What a comparison says about a claimed difference."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    UNDER_POWERED = "under-powered"
    NOT_RUN = "not run"


#: The rule of `verdict` in words, for reports.
VERDICT_RULE = (
    "The verdict on a claimed difference follows from the interval of the measured one, by a rule fixed beforehand: "
    "*not reproduced* when the interval lies below half of the claimed difference; otherwise *reproduced* when it "
    "lies above zero; otherwise *under-powered*, since it holds both nothing and half of the claim; "
    "*not run* when a side is missing."
)


def verdict(claimed: float, measured: Estimate | None) -> Verdict:
    """Judge a measured difference against a claimed one by `VERDICT_RULE`.

    Args:
        claimed: the published difference, in the units of ``measured``; not 0. A negative claim is judged in mirror.
        measured: the measured difference with its interval, or None when it was not run.

    Raises:
        ValueError: the claim is 0, which is no difference.
    """
    if claimed == 0:
        raise ValueError("a claimed difference of 0 cannot be judged by this rule")
    if measured is None:
        return Verdict.NOT_RUN
    low, high = (measured.low, measured.high) if claimed > 0 else (-measured.high, -measured.low)
    if high < abs(claimed) / 2:
        return Verdict.NOT_REPRODUCED
    return Verdict.REPRODUCED if low > 0 else Verdict.UNDER_POWERED


#: The rule of `verdict_on_par` in words.
ON_PAR_RULE = (
    "Where the paper calls two methods *on par*, no difference is claimed, and the margin is half of what the paper's "
    "method gains over SFT there: *reproduced* when the interval lies within the margin on both sides of zero, *not "
    "reproduced* when it lies wholly outside, otherwise *under-powered*."
)


def verdict_on_par(margin: float, measured: Estimate | None) -> Verdict:
    """Judge a measured difference of two methods that are claimed to be on par by `ON_PAR_RULE`.

    Args:
        margin: in the units of ``measured``; above 0.
        measured: the measured difference with its interval, or None when it was not run.
    """
    if measured is None:
        return Verdict.NOT_RUN
    if measured.low > margin or measured.high < -margin:
        return Verdict.NOT_REPRODUCED
    within = -margin <= measured.low and measured.high <= margin
    return Verdict.REPRODUCED if within else Verdict.UNDER_POWERED


#: A released checkpoint's accuracy may differ from the published one by this much, in percentage points.
_TOLERANCE = 1.0
#: The rule of `calibration` in words.
CALIBRATION_RULE = (
    f"The same weights, questions and answer rule: an accuracy *agrees* within {_TOLERANCE:.1f} points of the "
    "published one, which other kernels and versions may make; otherwise it *differs*."
)


def calibration(published: float, measured: float | None) -> str:
    """Judge a released checkpoint's accuracy by `CALIBRATION_RULE`.

    Args:
        published: in percent.
        measured: in percent, or None when it was not run.
    """
    if measured is None:
        return Verdict.NOT_RUN
    return "agrees" if abs(measured - published) <= _TOLERANCE else "differs"

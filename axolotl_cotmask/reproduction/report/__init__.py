"""The report of a plan: one HTML page that needs nothing else, and the same facts as Markdown."""

from __future__ import annotations

from pathlib import Path

from axolotl_cotmask.common.pages import write_page
from axolotl_cotmask.reproduction.layout import REPORTS
from axolotl_cotmask.reproduction.report.claims import (
    calibration_sections,
    claim_sections,
    external_sections,
    opening_blocks,
    summary_blocks,
    told_in_a_sentence,
)
from axolotl_cotmask.reproduction.report.content import Markdown, Report
from axolotl_cotmask.reproduction.report.html import to_html
from axolotl_cotmask.reproduction.report.markdown import to_markdown
from axolotl_cotmask.reproduction.report.measurements import measurement_sections
from axolotl_cotmask.reproduction.report.outcome import PlanOutcome
from axolotl_cotmask.reproduction.report.plots import plot_sections
from axolotl_cotmask.reproduction.report.records import (
    command_sections,
    failure_sections,
    provenance_sections,
    signature_sections,
)

__all__ = ["told_in_a_sentence", "write_report"]

_SECTIONS = (
    *(claim_sections, calibration_sections, measurement_sections, plot_sections, external_sections),
    *(failure_sections, provenance_sections, command_sections, signature_sections),
)


def write_report(outcome: PlanOutcome, directory: Path) -> None:
    """Write ``report.html`` and ``report.md`` into ``directory``; each appears whole or not at all.

    Raises:
        CoTMaskError: there is something to plot, and matplotlib is not installed.
    """
    report = Report(
        title=outcome.title,
        made=outcome.made,
        command=outcome.command,
        lead=[*opening_blocks(outcome), *summary_blocks(outcome), *map(Markdown, outcome.notes)],
        sections=[section for sections in _SECTIONS for section in sections(outcome)],
    )
    for name, text in zip(REPORTS, (to_html(report), to_markdown(report)), strict=True):
        write_page(directory / name, text)

"""The report of a plan: one HTML page that needs nothing else, and the same facts as Markdown."""

from __future__ import annotations

from pathlib import Path

from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.reproduction.report.content import Markdown, Report
from axolotl_cotmask.reproduction.report.html import to_html
from axolotl_cotmask.reproduction.report.judgements import calibration, external, summary, verdicts
from axolotl_cotmask.reproduction.report.markdown import to_markdown
from axolotl_cotmask.reproduction.report.measurements import results
from axolotl_cotmask.reproduction.report.outcome import Outcome
from axolotl_cotmask.reproduction.report.plots import plots
from axolotl_cotmask.reproduction.report.records import commands, failures, provenance, signatures

__all__ = ["write_report"]

_SECTIONS = (
    *(verdicts, calibration, results, plots, external),
    *(failures, provenance, commands, signatures),
)


def write_report(outcome: Outcome, directory: Path) -> None:
    """Write ``report.html`` and ``report.md`` into ``directory``; each appears whole or not at all.

    Raises:
        CoTMaskError: there is something to plot, and matplotlib is not installed.
    """
    report = Report(
        title=outcome.title,
        made=outcome.made,
        command=outcome.command,
        lead=[*map(Markdown, outcome.notes), *summary(outcome)],
        sections=[section for sections in _SECTIONS for section in sections(outcome)],
    )
    for name, text in (("report.html", to_html(report)), ("report.md", to_markdown(report))):
        with whole_file(directory / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

"""The report of a plan: one HTML page that needs nothing else, and the same facts as Markdown."""

from __future__ import annotations

from pathlib import Path

from axolotl_cotmask.files import whole_file
from axolotl_cotmask.report.content import Markdown, Report
from axolotl_cotmask.report.html import to_html
from axolotl_cotmask.report.markdown import to_markdown
from axolotl_cotmask.report.plots import plots
from axolotl_cotmask.report.records import commands, failures, provenance, signatures
from axolotl_cotmask.report.results import results
from axolotl_cotmask.report.verdicts import calibration, external, summary, verdicts
from axolotl_cotmask.repro.outcome import Outcome

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

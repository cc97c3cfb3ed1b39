"""The report of a plan, from outcomes that are made here: every fact in both formats, and the page in a browser."""

from __future__ import annotations

import html
import math
import os
import random
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from matplotlib.image import imread
from support.browser import Browser, contrast, luminance

from axolotl_cotmask.common import pages
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.figures import COLOURS, GLYPHS, MARKERS
from axolotl_cotmask.evaluation.stats.claims import Verdict, verdict
from axolotl_cotmask.evaluation.stats.estimates import Estimate, over_seeds
from axolotl_cotmask.evaluation.stats.paired import compare_paired
from axolotl_cotmask.reproduction.report import write_report
from axolotl_cotmask.reproduction.report.outcome import (
    CalibratedModel,
    ExternalResult,
    JudgedClaim,
    PlanOutcome,
    RowOutcome,
    RunOutcome,
    RunStatus,
    StageFailure,
)
from axolotl_cotmask.reproduction.report.plots import TRAINING_ROWS

MEASURES = {"GSM8K": "greedy answers, 1,319 questions", "GSM-IC": "with an irrelevant sentence <in> it"}
#: Row -> label, group, accuracies, the paper's, mask ratio, schedule. The labels hold what HTML and Markdown would read.
ROWS = {
    "llama2-7b/gsm8k-sft": ("Llama-2-7B <SFT>", "Table 1 & 5", (41.2, 47.7), (41.6, 48.0), None, None),
    "llama2-7b/gsm8k-mft": ("Llama-2-7B MFT | random *0.4*", "Table 1 & 5", (46.4, 58.3), (47.1, 59.2), 0.4, "linear"),
    "ablation/0.2": ("p_max 0.2", "Fig. 3", (44.9, 55.0), None, 0.2, "linear"),
    "ablation/0.6": ("p_max $\\0.6$, fixed", "Fig. 3", (40.1, 51.2), None, 0.6, "constant"),
    "ablation/0.8": ("p_max 0.8", "Fig. 3", (38.8, 49.9), None, 0.8, "linear"),
}
SEEDS = (1, 2, 3)
FAILED = "ablation/0.8/3"


def history(ratio: float | None, seed: int) -> list[dict[str, float]]:
    found = []
    for step in range(10, 2010, 10):
        entry: dict[str, float] = {"step": step, "loss": 0.4 + math.exp(-step / 300), "learning_rate": 1e-5}
        if ratio is not None:
            scheduled = ratio * min(1, step / 1340)
            entry["cotmask/scheduled_ratio"] = scheduled
            entry["cotmask/realised_ratio"] = scheduled * (1 + 0.03 * math.sin(step * seed))
            entry["cotmask/loss_noised"] = entry["loss"] * 1.3 + 0.05 * math.sin(step)
            entry["cotmask/loss_clean"] = entry["loss"] * 0.9 + 0.05 * math.cos(step)
        found.append(entry)
    return [*found, {"step": 2000, "train_runtime": 812.5}]


def made_run(name: str, seed: int) -> RunOutcome:
    _, _, accuracies, _, ratio, _ = ROWS[name]
    run = f"{name}/{seed}"
    if run == FAILED:
        failure = StageFailure(
            "train", f"logs/train/{run}.log", ["Traceback <most> recent", "OutOfMemoryError: a & b | c"]
        )
        return RunOutcome(run, name, seed, RunStatus.FAILED, failure=failure)
    luck = random.Random(run)
    values = {
        measure: (value + luck.uniform(-1.2, 1.2)) / 100 for measure, value in zip(MEASURES, accuracies, strict=True)
    }
    return RunOutcome(
        run,
        name,
        seed,
        RunStatus.DONE,
        values=values,
        invalid={"GSM8K": 0.017 + seed / 1000},
        robust={"GSM8K": values["GSM8K"] + 0.006},
        signatures={
            "cotmask_gsm8k": 'task:cotmask_gsm8k|v:1|shots:0|prompt:1f00aa21|stops:eos,"\\n\\n"|max:512|decoding:greedy',
            "cotmask_gsm_ic": f"task:cotmask_gsm_ic|v:2|batch:{16 if seed == 2 else 8}",
        },
        records={
            "train": {
                "commit": "350f188",
                "dirty": False,
                "seed": seed,
                "seconds": 812.5 + seed,
                "peak_memory_gib": 61.25,
                "versions": {"torch": "2.13.0", "axolotl": "0.19.0"},
                "hardware": {"gpus": ["NVIDIA <A100> 80GB"] * 2, "cpu": "AMD & Co"},
            },
            "evaluate": {"commit": "350f188", "seconds": 61.0 * seed, "energy_kwh": None},
        },
        history=history(ratio, seed),
        curve=[(samples, values["GSM8K"] * (1 - 2**-k)) for k, samples in enumerate((7473, 14946, 29892, 74730), 1)],
    )


def made_row(name: str) -> RowOutcome:
    label, group, _, published, ratio, schedule = ROWS[name]
    runs = [made_run(name, seed) for seed in SEEDS]
    by_measure = {measure: [run.values[measure] for run in runs if run.values] for measure in MEASURES}
    return RowOutcome(
        name,
        label,
        group,
        estimates={measure: over_seeds(values) for measure, values in by_measure.items()},
        deviations={measure: float(np.std(values, ddof=1)) for measure, values in by_measure.items()},
        published={m: percent / 100 for m, percent in zip(MEASURES, published, strict=True)} if published else {},
        runs=runs,
        mask_ratio=ratio,
        schedule=schedule,
    )


def made_outcome() -> PlanOutcome:
    rows = [made_row(name) for name in ROWS]
    sft, mft = rows[0], rows[1]
    luck = random.Random(0)
    per_seed = {}
    for seed in SEEDS:
        a = [float(luck.random() < 0.41) for _ in range(400)]
        b = [float(luck.random() < (0.9 if right else 0.16)) for right in a]
        per_seed[seed] = compare_paired(a, b, range(400))
    measured = Estimate(0.052, 0.031, 0.073, 3)
    claims = [
        JudgedClaim("GSM8K", sft.name, mft.name, 0.055, "Table 1, Llama-2-7B on GSM8K", per_seed, measured, verdict(0.055, measured), comparisons=2),
        JudgedClaim("GSM-IC", sft.name, mft.name, 0.112, "Table 5", {}, Estimate(0.02, -0.015, 0.055, 3), Verdict.NOT_REPRODUCED),
        JudgedClaim("GSM8K", mft.name, "ablation/0.2", -0.02, "Fig. 3", {}, Estimate(-0.014, -0.031, 0.003, 3), Verdict.UNDER_POWERED, comparisons=2),
        JudgedClaim("GSM-IC", sft.name, "ablation/0.8", 0.01, "nowhere", {}, None, Verdict.NOT_RUN, missing=f"{FAILED} has failed"),
    ]  # fmt: skip
    return PlanOutcome(
        title="Paper <tables> & figures",
        command="nox -s reproduce -- table1 | tee log",
        made="2026-11-21 12:00 UTC",
        notes=["These are **made up** numbers: `no evidence`.", "A [link](https://arxiv.org/abs/2403.02178) <b>here</b>."],
        measures=MEASURES,
        rows=rows,
        claims=claims,
        calibrated=[CalibratedModel("adalaw/MFT", "GSM8K", 0.471, 0.468, "agrees"), CalibratedModel("none", "MATH", 0.089, None, "not run")],
        external=[
            ExternalResult("A. Reader | blog", "Qwen2.5 <LoRA>", "GSM8K", (0.601, 0.61), (0.604, 0.619), Estimate(0.006, -0.002, 0.014, 2), "other prompt & data", 0.031, "Table 1", Verdict.NOT_REPRODUCED)
        ],
        dependency={
            group: {
                name: {
                    source: {
                        bucket: [(base - 3 * place + seed) / 100 for seed in SEEDS]
                        for place, bucket in enumerate(("1-4", "5-16", "17+"))
                    }
                    for source, base in (("question", 61.0 if "mft" in name else 48.0), ("chain", 30.0 if "mft" in name else 41.0))
                }
                for name, row in ROWS.items()
                if row[1] == group
            }
            for group in ("Table 1 & 5",)
        },
        commands={"train": "axolotl train run.yaml --seed 1 < /dev/null", "evaluate": "lm_eval run --model hf | cat"},
        minutes=1234.4,
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    write_report(made_outcome(), directory)
    return directory


def read(directory: Path) -> tuple[str, str]:
    return (directory / "report.html").read_text("utf-8"), (directory / "report.md").read_text("utf-8")


def shown(page: str) -> str:
    """Return the text that a reader sees of a page."""
    page = re.sub(r'<style>.*?</style>|<span aria-hidden="true">.*?</span>', "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def both(directory: Path) -> tuple[str, str]:
    """Return what a reader sees of the page and of the Markdown, which is rendered as GitHub would."""
    page, text = read(directory)
    return shown(page), shown(MarkdownIt("commonmark").enable("table").render(text))


FACTS = {
    "title and making": ("Paper <tables> & figures", "2026-11-21 12:00 UTC", "nox -s reproduce -- table1 | tee log"),
    "notes": ("made up", "no evidence", "link"),
    "counts": ("15 runs", "14 done", "1 failed", "0 not run", "1,234 minutes", "4 claims", "1 under-powered"),
    "verdicts": ("+5.2 [+3.1, +7.3]", "Llama-2-7B MFT | random *0.4* against Llama-2-7B <SFT>", "Table 1, Llama-2-7B on GSM8K"),
    "all verdicts": ("reproduced", "not reproduced", "under-powered", "not run"),
    "the rule": ("lies below half of the claimed difference", "one of 2 read together", "missing: ablation/0.8/3 has failed"),
    "calibration": ("adalaw/MFT", "47.1", "46.8", "-0.3", "agrees"),
    "measures": ("greedy answers, 1,319 questions", "with an irrelevant sentence <in> it"),
    "groups": ("Table 1 & 5", "Fig. 3", "2 of 3", "p_max $\\0.6$, fixed"),
    "others": ("Published elsewhere, not measured here", "A. Reader | blog", "Qwen2.5 <LoRA>", "60.1, 61.0", "+0.6 [-0.2, +1.4]", "other prompt & data"),
    "failures": ("logs/train/ablation/0.8/3.log", "Traceback <most> recent", "OutOfMemoryError: a & b | c"),
    "provenance": ("train: commit", "350f188", "train: dirty", "no", "train: versions.torch", "2.13.0", "NVIDIA <A100> 80GB", "AMD & Co", "61.2", "815.5"),
    "commands": ("axolotl train run.yaml --seed 1 < /dev/null", "lm_eval run --model hf | cat"),
    "signatures": ('prompt:1f00aa21|stops:eos,"\\n\\n"|max:512', "task:cotmask_gsm_ic|v:2|batch:16", "task:cotmask_gsm_ic|v:2|batch:8", "in 14 runs"),
    "samples seen": ("7,473", "74,730"),
    "dependency": ("Dependency on the question", "5-16", "63.0 [60.5, 65.5]"),
    "training": ("What was logged last, by run", "loss on noised", "2000", "0.401"),
}  # fmt: skip


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
def test_every_fact_is_in_both(written: Path, facts: tuple[str, ...]) -> None:
    page, text = both(written)
    for fact in facts:
        assert fact in page
        assert fact in text


def test_every_run_is_in_both(written: Path) -> None:
    page, text = both(written)
    for row in made_outcome().rows:
        for measure, found in row.estimates.items():
            estimate = f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"
            assert estimate in page, (row.name, measure)
            assert estimate in text, (row.name, measure)
            assert f"{100 * row.deviations[measure]:.1f}" in text
        for run in row.runs:
            values = [
                f" {100 * value:.1f} " for value in (*run.values.values(), *run.robust.values(), *run.invalid.values())
            ]
            for fact in (run.name, *values):
                assert fact in page, run.name
                assert fact in text, run.name


def test_paired_differences_of_each_seed_are_in_both(written: Path) -> None:
    page, text = both(written)
    for found in made_outcome().claims[0].per_seed.values():
        difference = found.difference
        fact = f"{100 * difference.value:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
        assert f"{fact} {found.only_a} {found.only_b} {found.p:.2g} 400" in page
        assert f"{fact} {found.only_a} {found.only_b} {found.p:.2g} 400" in text


def test_differences_of_several_pairs_are_drawn_with_their_verdicts(written: Path) -> None:
    page, _ = read(written)
    verdicts = page[page.index("<h2>Verdicts") : page.index("<h2>Calibration")]
    described = [html.unescape(label) for label in re.findall(r'aria-label="([^"]*)"', verdicts) if "Mean" in label]
    # The other claims have no runs that are paired.
    said = "Mean difference in points: Llama-2-7B MFT | random *0.4* minus Llama-2-7B <SFT> +5.2."
    assert [label.endswith(said) for label in described] == [True], described
    assert "◇" in verdicts


def test_notes_cannot_break_the_page(written: Path) -> None:
    page, _ = read(written)
    assert "&lt;b&gt;here&lt;/b&gt;" in page
    assert '<a href="https://arxiv.org/abs/2403.02178">link</a>' in page


def test_a_single_seed_has_no_interval(tmp_path: Path) -> None:
    run = RunOutcome("a/1", "a", 1, RunStatus.DONE, values={"GSM8K": 0.4104})
    row = RowOutcome("a", "A", "", {"GSM8K": over_seeds([0.4104])}, {}, {}, [run])
    write_report(PlanOutcome("One", "nox", "now", [], MEASURES, [row]), tmp_path)
    for text in both(tmp_path):
        assert "41.0" in text
        assert "inf" not in text


def test_rows_of_one_label_are_told_apart_by_their_group(tmp_path: Path) -> None:
    rows = [replace(row, label="SFT") for row in made_outcome().rows[1:3]]
    write_report(replace(made_outcome(), rows=rows, dependency={}), tmp_path)
    for text in both(tmp_path):
        assert "SFT (Fig. 3) against SFT (Table 1 & 5)" in text
        assert "SFT (Fig. 3): seeds 1, 2, 3" in text


def test_empty_sections_are_left_out(tmp_path: Path) -> None:
    runs = [RunOutcome("a/1", "a", 1, RunStatus.NOT_RUN)]
    row = RowOutcome("a", "A", "Table 9", {}, {}, {"GSM8K": 0.416}, runs)
    write_report(PlanOutcome("Nothing yet", "nox", "now", [], {"GSM8K": "accuracy"}, [row]), tmp_path)
    page, text = read(tmp_path)
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Measures", "Table 9"]
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == ["Measures", "Table 9"]
    assert "<svg" not in page


def test_the_page_needs_nothing_else(written: Path) -> None:
    page, _ = read(written)
    assert re.findall(r"<(?:script|link|img|iframe|object|embed|base)\b", page) == []
    assert set(re.findall(r'\b(?:src|href)="([^#][^"]*)"', page)) == {"https://arxiv.org/abs/2403.02178"}
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []


class Balance(HTMLParser):
    """Checks that tags are closed in order, and collects ids and references to them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)
        self.handle_startendtag(tag, attributes)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id":
                self.ids.append(str(value))
            self.references |= set(re.findall(r"^#(.+)$|url\(#([^)]+)\)", value or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_tags_are_balanced_and_ids_unique(written: Path) -> None:
    page, _ = read(written)
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert len(balance.ids) == len(set(balance.ids))
    assert {one or other for one, other in balance.references} <= set(balance.ids)
    assert page.startswith("<!doctype html>")


def test_each_plot_has_a_title_and_words(written: Path) -> None:
    page, text = read(written)
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    # Differences of one measure; per group two measures; ratios of the one group that has three; five logs; two curves; question and chain.
    assert len(figures) == 1 + 4 + 2 + 5 + 2 + 2
    for figure in figures:
        assert re.search(r'<figure role="group" aria-label="[^"]{20,}">\s*<h4>[^<]+</h4>', figure)
        # What is drawn takes its colours from the page.
        assert re.search(r"#[0-9a-f]{6}\b", figure) is None
        assert "var(--ink)" in figure
    assert "Plotted in `report.html`: GSM8K; GSM-IC." in text


def test_training_curves_of_many_rows_are_limited(tmp_path: Path) -> None:
    runs = [
        RunOutcome(f"r{n}/1", f"r{n}", 1, RunStatus.DONE, history=history(0.4, 1)) for n in range(TRAINING_ROWS + 3)
    ]
    rows = [RowOutcome(run.row, f"row {run.row}", "T", {}, {}, {}, [run]) for run in runs]
    write_report(PlanOutcome("Many", "nox", "now", [], {}, rows), tmp_path)
    page, _ = read(tmp_path)
    assert page.count("<figure") == TRAINING_ROWS
    for text in both(tmp_path):
        assert f"the first {TRAINING_ROWS} of {TRAINING_ROWS + 3} rows" in text


def test_the_same_outcome_gives_the_same_files(written: Path, tmp_path: Path) -> None:
    write_report(made_outcome(), tmp_path)
    assert read(tmp_path) == read(written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.md"]


def test_without_matplotlib_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CoTMaskError, match=r"plots need matplotlib: pip install 'axolotl-cotmask\[plots\]'"):
        write_report(made_outcome(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    # Where there is nothing to plot, it is not needed.
    write_report(replace(made_outcome(), rows=[], claims=[], dependency={}), tmp_path)


def test_the_page_has_the_colours_of_all_other_figures() -> None:
    sheet = (Path(pages.__file__).parent / "page.css").read_text(encoding="utf-8")
    light, _ = sheet.split("@media (prefers-color-scheme: dark)", 1)
    assert re.findall(r"--series-\d: (#[0-9a-f]{6});", light) == list(COLOURS)
    assert len(COLOURS) == len(MARKERS) == len(GLYPHS)


# In a browser

SCHEMES = ("dark", "light")
WIDTHS = {"phone": 390, "desktop": 1200}
PROBE = """(() => {
  const root = document.documentElement;
  const colour = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
  const closed = root.scrollWidth;
  document.querySelectorAll("details").forEach(details => { details.open = true; });
  return {
    width: innerWidth, closed, opened: root.scrollWidth,
    scrolling: [...document.querySelectorAll(".scroll")].some(box => box.scrollWidth > box.clientWidth),
    plots: Math.max(...[...document.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect().right)),
    ground: colour("body", "backgroundColor"), text: colour("body", "color"), plotted: colour("svg text", "fill"),
    small: colour(".note", "color"), good: [colour(".good", "backgroundColor"), colour(".good", "color")],
    bad: [colour(".bad", "backgroundColor"), colour(".bad", "color")],
    unsure: [colour(".unsure", "backgroundColor"), colour(".unsure", "color")],
  };
})()"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("device", WIDTHS)
def test_in_a_browser(written: Path, tmp_path: Path, window: Browser, scheme: str, device: str) -> None:
    width = WIDTHS[device]
    window.look(width, 2400, scheme)
    window.open(written / "report.html")
    # As it is first seen: the probe opens what is folded away.
    artefacts = Path(os.environ.get("COTMASK_ARTEFACTS", tmp_path))
    artefacts.mkdir(parents=True, exist_ok=True)
    shot = window.picture(artefacts / f"report-{device}-{scheme}.png")
    found = window.value(PROBE)

    assert found["width"] == width
    assert found["closed"] == found["opened"] == width, "the page scrolls sideways"
    assert found["plots"] <= width
    assert found["scrolling"] == (device == "phone"), "wide tables scroll within their own boxes, on a phone"
    assert (luminance(found["ground"]) < 0.05) == (scheme == "dark")
    for ink in (found["text"], found["plotted"], found["small"]):
        assert contrast(found["ground"], ink) > 4.5
    for chip in ("good", "bad", "unsure"):
        assert contrast(*found[chip]) > 4.5

    pixels = imread(shot)[..., :3]
    assert pixels.shape[:2] == (2400, width)
    ground = pixels.reshape(-1, 3).mean(axis=1)
    assert (np.median(ground) < 0.2) == (scheme == "dark")
    assert np.ptp(ground) > 0.7, "there is something on the page"

"""The table of all that was measured by now, as Markdown and as JSON; what was not run says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from axolotl_cotmask.common.files import whole_file
from bench.gpu.accuracy import ARMS, step_name
from bench.gpu.sizes import Sizes
from bench.gpu.steps import Book
from bench.gpu.throughput import LOGGED, NOISES, RATIO, SFT

NOT_RUN = "not run"
#: The arm that the others are held against.
_CONTROL = "SFT, 10 epochs"
_MEASURES = {
    "gsm8k_exact_match": "GSM8K test",
    "gsm8k_invalid": "without an answer",
    "gsm_ic_exact_match": "GSM-IC",
    "gsm_ic_base_accuracy": "its base problems",
    "gsm_ic_invalid": "GSM-IC without an answer",
}

_WAITS = ("CUDA waits", "added", "`aten::item` added", "`aten::nonzero` added")

Result = dict[str, Any] | None


def write(book: Book, sizes: Sizes) -> Path:
    """Write ``results.json`` and ``results.md`` into the directory of the run, each whole, and return the latter."""
    content = collect(book, sizes)
    for name, text in (("json", json.dumps(content, indent=1)), ("md", "\n".join(_lines(content, sizes)))):
        with whole_file(book.directory / f"results.{name}") as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    return book.directory / "results.md"


def collect(book: Book, sizes: Sizes) -> dict[str, Any]:
    """Return all results by now, None for a step that was not run."""
    return {
        "sizes": sizes.name,
        "throughput": {layout: book.result(throughput_step(layout)) for layout in sizes.layouts},
        "accuracy": {
            arm: {
                str(seed): {kind: book.result(step_name(kind, arm, seed)) for kind in ("training", "answers")}
                for seed in sizes.seeds
            }
            for arm in ARMS
        },
    }


def throughput_step(layout: str) -> str:
    """Return the name of the step that times a layout."""
    return f"throughput-{layout.replace(' ', '-')}"


def _lines(content: dict[str, Any], sizes: Sizes) -> Iterator[str]:
    yield "# Masked Thought fine-tuning on one GPU"
    if sizes.name == "rehearsal":
        yield from ("", "**A rehearsal on a CPU, at the smallest size: no number here is a measurement.**")
    yield from ("", *_made_on(content), "")
    for layout, result in content["throughput"].items():
        yield from _throughput(layout, result)
    yield from _accuracy(content["accuracy"], sizes.seeds)


def _made_on(content: dict[str, Any]) -> Iterator[str]:
    """Yield on which cards, and with which versions, the steps were run; one line where all are alike."""
    runs = [result for seeds in content["accuracy"].values() for kinds in seeds.values() for result in kinds.values()]
    results = [result for result in (*content["throughput"].values(), *runs) if result]
    texts = [", ".join(f"{name} {value}" for name, value in result["made_on"].items()) for result in results]
    yield f"{len(results)} of {len(content['throughput']) + len(runs)} steps were run."
    for text in dict.fromkeys(texts):
        yield f"- {texts.count(text)} of them: {text}"


def _throughput(layout: str, result: Result) -> Iterator[str]:
    yield from (f"## A model of Llama-2-7B's shape, random weights: {layout}", "")
    if result is None:
        yield from (NOT_RUN, "")
        return
    yield f"{result['tokens']} tokens a step without padding; p = {RATIO}; ratios are medians over the rounds."
    yield from _head("", "ms a step", "fastest, slowest", "tokens/s", "time of SFT", "peak GiB", *_WAITS)
    for name in [SFT, *(noise + logged for noise in NOISES for logged in ("", LOGGED))]:
        way = result["ways"][name]
        added = way["waits_added"]
        cells = [
            name,
            f"{1000 * way['seconds']:.1f}",
            f"{1000 * way['fastest']:.1f}, {1000 * way['slowest']:.1f}",
            f"{way['tokens_per_second']:,.0f}",
            f"{way['time_of_sft']:.3f}",
            _shown(way["peak_gib"], "{:.2f}"),
            _shown(_of_cuda(way["waits"]), "{}"),
            _shown(_of_cuda(added), "{:+}"),
            f"{added['aten::item']:+}",
            f"{added['aten::nonzero']:+}",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _head(*names: str) -> Iterator[str]:
    """Yield an empty line and the head of a table."""
    yield from ("", f"| {' | '.join(names)} |", f"|---|{'---:|' * (len(names) - 1)}")


def _of_cuda(waits: dict[str, int | None]) -> int | None:
    counts = [count for call, count in waits.items() if call.startswith("cuda") and count is not None]
    return sum(counts) if counts else None


def _accuracy(arms: dict[str, Any], seeds: Sequence[int]) -> Iterator[str]:
    yield from ("## SmolLM2-135M on GSM8K, all weights", "")
    yield "In percent by the rule `gsm8k_hash`: mean ± sample standard deviation over the seeds; then each seed."
    yield from _head("", "seeds", *_MEASURES.values(), "training", "answers")
    for arm, runs in arms.items():
        answered = [runs[str(seed)]["answers"] for seed in seeds]
        done = [result for result in answered if result]
        trained = [run["training"] for run in runs.values() if run["training"]]
        cells = [_over_seeds([result["scores"][measure] for result in done]) for measure in _MEASURES]
        times = [_seconds(trained), _seconds(done)]
        yield f"| {arm} | {len(done)} of {len(seeds)} | {' | '.join([*cells, *times])} |"
    yield from ("", f"Against `{_CONTROL}` with the same seed, in points:")
    yield from _head("", "seeds", "GSM8K test", "GSM-IC")
    for arm in arms:
        if arm != _CONTROL:
            yield f"| {arm} | {_differences(arms[arm], arms[_CONTROL])} |"


def _differences(runs: dict[str, Any], control: dict[str, Any]) -> str:
    pairs = [(runs[seed]["answers"], control[seed]["answers"]) for seed in runs]
    pairs = [(one["scores"], other["scores"]) for one, other in pairs if one and other]
    cells = [
        _over_seeds([None if one[measure] is None or other[measure] is None else one[measure] - other[measure]
                     for one, other in pairs], "{:+.1f}")
        for measure in ("gsm8k_exact_match", "gsm_ic_exact_match")
    ]  # fmt: skip
    return " | ".join([str(len(pairs)), *cells])


def _over_seeds(values: Sequence[float | None], form: str = "{:.1f}") -> str:
    """Return shares as percent: mean, deviation where there are several, and each."""
    percent = [100 * value for value in values if value is not None]
    if not percent:
        return NOT_RUN
    if len(percent) == 1:
        return form.format(percent[0])
    each = ", ".join(form.format(value) for value in percent)
    return f"{form.format(mean(percent))} ± {stdev(percent):.1f} ({each})"


def _seconds(results: Sequence[dict[str, Any]]) -> str:
    return f"{mean(result['seconds'] for result in results):.0f} s" if results else NOT_RUN


def _shown(value: Any, form: str) -> str:
    return "not told" if value is None else form.format(value)

"""The published facts: runs, hyper-parameters and scores of the Masked Thought paper (arXiv 2403.02178).

The recipes, their README, the tests and the reports are held against these tables. Scores are accuracies in percent, as
the paper prints them; everybody else counts in shares from 0 to 1, and takes them through `as_share`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Method = Literal["sft", "mft"]


def as_share(percent: float) -> float:
    """Return a published percentage, or a difference in points, as a share from 0 to 1."""
    return percent / 100


@dataclass(frozen=True)
class PaperBase:
    """A base model: its home on the hub, and what FSDP wraps."""

    title: str
    model: str
    layer: str


@dataclass(frozen=True)
class PaperData:
    """Training data: the ``type`` that reads them, and the context length in tokens.

    ``rows`` are by the ``path`` of the data set: one for all bases, or one for each. They are the paper's counts, but for
    GSM8K, of which the paper says 7K and 7,500, and whose file has 7,473.
    """

    title: str
    rows: Mapping[str, int]
    strategy: str
    sequence_len: int


@dataclass(frozen=True)
class PaperRun:
    """One training run of Table 8, its scores, and where the released scripts say something else.

    ``learning_rate`` is the peak; ``mask_ratio`` is p_max; ``lr_warmup`` is a share of the steps, from the scripts.
    ``lr_tail``: the cosine goes to 0.05 at 60 % of the steps, then a straight line to 0. ``scores`` are by benchmark,
    from ``table``, those of GSM-IC from Table 5.
    """

    base: str
    data: str
    method: Method
    learning_rate: float
    epochs: int
    batch_size: int
    lr_warmup: float
    mask_ratio: float = 0
    noise: Literal["mask", "random"] | None = None
    lr_tail: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)
    table: str = "Table 1"
    scripts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The recipe's path below ``recipes/``, without its suffix."""
        return f"{self.base}/{self.data}-{self.method}"

    def table_of(self, benchmark: str) -> str:
        """The table of the paper that has this run's score on ``benchmark``."""
        return "Table 5" if benchmark == "gsm_ic" else self.table

    def stands_in(self, table: str, benchmark: str) -> bool:
        """Tell whether a table has this run's score on ``benchmark``; Table 5 repeats those on GSM8K."""
        return self.table_of(benchmark) == table or (table == "Table 5" and "gsm_ic" in self.scores)


#: The paper's machine: eight A100s, of which memory it does not say.
GPUS = 8

BASES: Mapping[str, PaperBase] = {
    "llama2-7b": PaperBase("Llama-2-7B", "meta-llama/Llama-2-7b-hf", "LlamaDecoderLayer"),
    "llama2-13b": PaperBase("Llama-2-13B", "meta-llama/Llama-2-13b-hf", "LlamaDecoderLayer"),
    "mistral-7b": PaperBase("Mistral-7B", "mistralai/Mistral-7B-v0.1", "MistralDecoderLayer"),
}

_RFT = "https://raw.githubusercontent.com/OFA-Sys/gsm8k-ScRel/main/data/rft"

DATA: Mapping[str, PaperData] = {
    "gsm8k": PaperData("GSM8K", {"openai/gsm8k": 7_473}, "gsm8k", 512),
    "math": PaperData("MATH", {"EleutherAI/hendrycks_math": 7_500}, "math", 800),
    "gsm8k-rft-u33": PaperData("GSM8K-RFT-U33", {f"{_RFT}/u33b.jsonl": 110_000}, "query_response", 512),
    # Each base was trained on the samples that it drew itself.
    "gsm8k-rft-100": PaperData("GSM8K-RFT-100", {f"{_RFT}/llama_7b2.jsonl": 46_000, f"{_RFT}/llama_13b2.jsonl": 47_000}, "query_response", 512),
    "metamath": PaperData("MetaMathQA", {"meta-math/MetaMathQA": 395_000}, "metamath", 1024),
    "mammoth": PaperData("MathInstruct", {"TIGER-Lab/MathInstruct": 262_000}, "mathinstruct", 1024),
}  # fmt: skip

# What the released scripts do otherwise than the paper says.
_STEPS = "mask_ratio warm-up 0.66 of the optimizer steps"
_METAMATH_STEPS = "mask_ratio warm-up 75,000 micro-batches, 0.61 of the run"
_MAMMOTH_STEPS = "mask_ratio warm-up 48,000 micro-batches, 0.59 of the run"
_TEMPLATE = "one of twelve prompt texts, drawn once in each process"
_NO_LENGTH = "no length given, so 2,048 tokens"

RUNS: tuple[PaperRun, ...] = (
    PaperRun("llama2-7b", "gsm8k", "sft", 1e-5, 3, 64, 0.03, scores={"gsm8k": 41.6, "gsm_ic": 48.0}),
    PaperRun("llama2-7b", "gsm8k", "mft", 1e-5, 10, 64, 0.01, 0.4, "random", scores={"gsm8k": 47.1, "gsm_ic": 59.2}, scripts=(_STEPS,)),
    PaperRun("llama2-7b", "math", "sft", 1e-5, 3, 64, 0.03, scores={"math": 7.6}),
    PaperRun("llama2-7b", "math", "mft", 1e-5, 10, 64, 0.01, 0.2, "mask", scores={"math": 8.9}, scripts=(_STEPS,)),
    PaperRun("llama2-7b", "gsm8k-rft-u33", "sft", 1e-5, 3, 64, 0.03, scores={"gsm8k": 51.9}),
    PaperRun("llama2-7b", "gsm8k-rft-u33", "mft", 1e-5, 5, 64, 0.02, 0.4, "mask", scores={"gsm8k": 54.5}, scripts=(_STEPS,)),
    PaperRun("llama2-7b", "gsm8k-rft-100", "sft", 1e-5, 3, 64, 0.03, scores={"gsm8k": 47.6, "gsm_ic": 52.2}, table="Table 2"),
    PaperRun("llama2-7b", "gsm8k-rft-100", "mft", 1e-5, 5, 64, 0.02, 0.4, "mask", scores={"gsm8k": 51.4}, table="Table 2", scripts=(_STEPS,)),
    PaperRun("llama2-7b", "metamath", "sft", 2e-5, 3, 128, 0.02, scores={"gsm8k": 66.5, "math": 19.8}),
    PaperRun("llama2-7b", "metamath", "mft", 2e-5, 5, 128, 0.02, 0.2, "mask", True, {"gsm8k": 69.0, "math": 20.8}, scripts=("batch 256", _METAMATH_STEPS)),
    PaperRun("llama2-7b", "mammoth", "sft", 2e-5, 3, 128, 0.03, scores={"gsm8k": 56.2, "math": 28.8}, scripts=(_TEMPLATE,)),
    PaperRun("llama2-7b", "mammoth", "mft", 2e-5, 5, 128, 0.03, 0.2, "mask", True, {"gsm8k": 59.8, "math": 30.4}, scripts=(_MAMMOTH_STEPS, _TEMPLATE)),
    PaperRun("mistral-7b", "gsm8k", "sft", 1e-6, 3, 64, 0.03, scores={"gsm8k": 60.9}),
    PaperRun("mistral-7b", "gsm8k", "mft", 1e-6, 10, 64, 0.01, 0.2, "random", scores={"gsm8k": 64.0}),
    PaperRun("mistral-7b", "math", "sft", 1e-6, 3, 256, 0.03, scores={"math": 16.6}),
    PaperRun("mistral-7b", "math", "mft", 1e-6, 3, 256, 0.01, 0.1, "mask", scores={"math": 17.4}),
    PaperRun("mistral-7b", "gsm8k-rft-u33", "sft", 1e-6, 3, 128, 0.03, scores={"gsm8k": 62.9}),
    PaperRun("mistral-7b", "gsm8k-rft-u33", "mft", 1e-6, 3, 128, 0.02, 0.4, "mask", scores={"gsm8k": 65.4}),
    PaperRun("mistral-7b", "metamath", "sft", 3e-6, 3, 256, 0.02, scores={"gsm8k": 78.0, "math": 28.2}),
    PaperRun("mistral-7b", "metamath", "mft", 3e-6, 5, 256, 0.02, 0.2, "mask", True, {"gsm8k": 79.5, "math": 29.0}, scripts=(_METAMATH_STEPS,)),
    PaperRun("mistral-7b", "mammoth", "sft", 5e-6, 3, 256, 0.02, scores={"gsm8k": 74.9, "math": 39.6}, scripts=("LR warm-up 0.03", _TEMPLATE, _NO_LENGTH)),
    PaperRun("mistral-7b", "mammoth", "mft", 5e-6, 5, 256, 0.02, 0.2, "mask", True, {"gsm8k": 77.0, "math": 41.0}, scripts=(_MAMMOTH_STEPS, _TEMPLATE)),
    PaperRun("llama2-13b", "gsm8k", "sft", 1e-5, 3, 64, 0.03, scores={"gsm8k": 52.7, "gsm_ic": 58.8}, table="Table 2"),
    PaperRun("llama2-13b", "gsm8k", "mft", 1e-5, 10, 64, 0.01, 0.4, "random", scores={"gsm8k": 56.2, "gsm_ic": 69.1}, table="Table 2"),
    PaperRun("llama2-13b", "gsm8k-rft-100", "sft", 1e-5, 3, 64, 0.03, scores={"gsm8k": 55.2, "gsm_ic": 63.3}, table="Table 2"),
    PaperRun("llama2-13b", "gsm8k-rft-100", "mft", 1e-5, 5, 64, 0.02, 0.4, "mask", scores={"gsm8k": 60.4}, table="Table 2"),
)  # fmt: skip

#: The benchmarks that the runs are scored on, by their keys in `PaperRun.scores`.
BENCHMARKS: Mapping[str, str] = {"gsm8k": "GSM8K", "math": "MATH", "gsm_ic": "GSM-IC"}

_BY_NAME: Mapping[str, PaperRun] = {run.name: run for run in RUNS}


def find_run(name: str) -> PaperRun:
    """Return the run called ``name``, such as ``llama2-7b/gsm8k-mft``.

    Raises:
        KeyError: the paper has no such run.
    """
    return _BY_NAME[name]


@dataclass(frozen=True)
class ReleasedModel:
    """A released checkpoint by its id on the hub, the base and data it was trained from, and its published accuracies."""

    id: str
    base: str
    data: str
    scores: Mapping[str, float]


#: The checkpoints in the README of the authors' code: theirs, and the SFT ones of MetaMath and MAmmoTH.
RELEASED: tuple[ReleasedModel, ...] = (
    ReleasedModel("adalaw/Llama2-7B-GSM8K-SFT", "llama2-7b", "gsm8k", {"gsm8k": 42.8}),
    ReleasedModel("adalaw/Llama2-7B-GSM8K-MFT", "llama2-7b", "gsm8k", {"gsm8k": 47.3}),
    ReleasedModel("meta-math/MetaMath-Mistral-7B", "mistral-7b", "metamath", {"gsm8k": 77.7, "math": 28.2}),
    ReleasedModel("adalaw/MetaMath-Mistral-7B-MFT", "mistral-7b", "metamath", {"gsm8k": 79.9, "math": 29.0}),
    ReleasedModel("TIGER-Lab/MAmmoTH-7B-Mistral", "mistral-7b", "mammoth", {"gsm8k": 75.0, "math": 40.0}),
    ReleasedModel("adalaw/MAmmoTH-7B-Mistral-MFT", "mistral-7b", "mammoth", {"gsm8k": 77.1, "math": 41.2}),
)


@dataclass(frozen=True)
class PaperClaim:
    """What the paper reports for SFT and for MFT, and where."""

    sft: float
    mft: float
    source: str

    @property
    def difference(self) -> float:
        """MFT minus SFT, in percentage points."""
        return self.mft - self.sft


def find_claim(base: str, data: str, benchmark: str) -> PaperClaim:
    """Return what the paper claims of MFT over SFT on ``benchmark``.

    Raises:
        KeyError: the paper has no such runs, or does not score both on this benchmark.
    """
    sft, mft = find_run(f"{base}/{data}-sft"), find_run(f"{base}/{data}-mft")
    source = f"{mft.table_of(benchmark)}, {BASES[base].title} on {BENCHMARKS[benchmark]}"
    return PaperClaim(sft.scores[benchmark], mft.scores[benchmark], source)


#: The case study (Llama-2-7B on GSM8K): shares in percent of ten continuations of one problem each. Of Table 4 "is 16-3"
#: with the prefix changed and "is 16-n" with the question changed, of Table 9 "is 16-n" and "is 16-n = 16-n".
CASE_STUDY: Mapping[str, tuple[float, float, float, float]] = {
    "llama2-7b/gsm8k-sft": (10, 10, 100, 100),
    "llama2-7b/gsm8k-mft": (100, 40, 100, 100),
    "table3/mask": (40, 20, 100, 100),
}


@dataclass(frozen=True)
class MethodClaim:
    """What the captions of Tables 2 and 5 say of two methods' scores on a benchmark; ``on_par``: they are alike."""

    baseline: str
    treated: str
    benchmark: str
    on_par: bool = False

    @property
    def difference(self) -> float:
        """Treated minus baseline, in percentage points."""
        return round(find_run(self.treated).scores[self.benchmark] - find_run(self.baseline).scores[self.benchmark], 1)

    @property
    def source(self) -> str:
        """Where the paper has the two scores."""
        scores = (find_run(name).scores[self.benchmark] for name in (self.baseline, self.treated))
        words = "on par" if self.on_par else "better"
        return f"Table {5 if self.benchmark == 'gsm_ic' else 2}, {words}: {' and '.join(map(str, scores))}"


#: MFT on GSM8K's 7K rows against SFT on 46K and 47K rows that rejection sampling made, and that against SFT on 7K.
METHODS: tuple[MethodClaim, ...] = tuple(
    claim
    for base in ("llama2-7b", "llama2-13b")
    for sft, rft, mft in [(f"{base}/gsm8k-sft", f"{base}/gsm8k-rft-100-sft", f"{base}/gsm8k-mft")]
    for claim in (
        MethodClaim(rft, mft, "gsm8k", on_par=True),
        MethodClaim(rft, mft, "gsm_ic"),
        MethodClaim(sft, rft, "gsm8k"),
        MethodClaim(sft, rft, "gsm_ic"),
    )
)


@dataclass(frozen=True)
class AverageClaim:
    """What the abstract says of MFT over SFT in the mean over a table's pairs of runs, on a benchmark.

    ``pairs`` are the names of both runs; ``words`` is what the abstract prints.
    """

    table: str
    benchmark: str
    words: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def difference(self) -> float:
        """The mean of MFT minus SFT over the table's pairs, in percentage points."""
        gains = [find_run(mft).scores[self.benchmark] - find_run(sft).scores[self.benchmark] for sft, mft in self.pairs]
        return sum(gains) / len(gains)

    @property
    def source(self) -> str:
        """Where the paper has it."""
        return f"{self.table}, mean of {len(self.pairs)} pairs; the abstract says {self.words}"


#: The averages of the abstract, over all pairs of Table 1 that are scored on the benchmark.
AVERAGES: tuple[AverageClaim, ...] = tuple(
    AverageClaim(
        "Table 1",
        benchmark,
        words,
        tuple(
            (f"{run.base}/{run.data}-sft", run.name)
            for run in RUNS
            if run.method == "mft" and benchmark in run.scores and run.table_of(benchmark) == "Table 1"
        ),
    )
    for benchmark, words in (("gsm8k", "+3"), ("math", "+1"))
)

#: The case study again, as claims for models of another kind: ten continuations of one problem, so these are tenths.
CORRUPTED_STEP_RANDOM = PaperClaim(10.0, 100.0, "Table 4, r = 1")
CORRUPTED_STEP_MASK = PaperClaim(10.0, 40.0, "Table 4, m = 1")

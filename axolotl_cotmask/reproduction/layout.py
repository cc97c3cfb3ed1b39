"""Where the files of an output directory lie. Standard library only: Snakemake reads it too, in its own environment."""

from __future__ import annotations

from pathlib import Path

#: What is run; written before Snakemake starts.
PLAN = "plan.json"
#: Held by the command that is at work in the directory.
LOCK = ".lock"
#: Held by the Snakemake that it started, as long as that lives.
ALIVE = ".alive"
RUNS, LOGS, WORK = "runs", "logs", "work"
REPORTS = ("report.html", "report.md")
#: In the directory of an unfinished training: its step, its loss and the time that is left.
PROGRESS = "progress.json"
#: What stages leave in their directories: where a result comes from; of a training its recipe and the trainer's state.
RECORD, RECIPE, STATE = "provenance.json", "recipe.yaml", "trainer_state.json"
#: Rows made of samples, and what became of the samples; of a teacher all that it wrote, in earlier rounds, too.
ROWS, ROWS_REPORT, REPLIES = "rows.jsonl", "report.json", "replies.jsonl"


class RunFiles:
    """The files of one run: its ``name``, such as ``llama2-7b/gsm8k-mft/seed-1``, below ``output``.

    ``data`` is the tokenised data; ``train`` holds recipe, log and state of the training, ``model`` the weights;
    ``made`` holds the rows that were made of another run's samples, ``start`` the weights that it left, its adapter
    merged; ``mistakes`` is what another run's model answered to its own training questions, for a teacher; ``curve`` is
    the accuracy of every checkpoint; ``evaluations`` and ``all_scores`` are by backend and task, ``all_samples`` by
    task. ``work`` is what an unfinished stage has written so far, the only thing that does not stay.
    """

    def __init__(self, output: Path, name: str) -> None:
        self.output, self.name = output, name
        self.work = output / WORK / name
        stays = output / RUNS / name
        self.data, self.train, self.model = stays / "data", stays / "train", stays / "model"
        self.made, self.start, self.all_samples = stays / "made", stays / "start", stays / "samples"
        self.mistakes = stays / "mistakes"
        self.curve = stays / "curve.json"
        self.evaluations, self.all_scores = stays / "evaluate", stays / "scores"

    def evaluation(self, backend: str, task: str) -> Path:
        """lm-eval's results and samples."""
        return self.evaluations / backend / task

    def samples(self, task: str) -> Path:
        """What the model wrote about training questions, for other runs: a directory for each round of lm-eval."""
        return self.all_samples / task

    def scores(self, backend: str, task: str) -> Path:
        """What the report needs of an evaluation."""
        return self.all_scores / backend / f"{task}.json"

    def evaluated(self) -> list[tuple[str, str]]:
        """Backend and task of every evaluation or scores that are there, those of other plans among them."""
        evaluations = self.evaluations.glob("[!.]*/[!.]*")
        scores = self.all_scores.glob("[!.]*/[!.]*.json")
        return sorted({(path.parent.name, path.name.removesuffix(".json")) for path in (*evaluations, *scores)})

    def directories(self) -> list[Path]:
        """Those that stages put their results and logs into; what is no directory there is in the way."""
        return [self.work, self.evaluations, self.all_scores, self.all_samples, self.log("").parent]

    def log(self, *parts: str) -> Path:
        """What a stage's program printed; ``parts`` are the stage, and for a task its backend and name."""
        return self.output / LOGS / self.name / f"{'-'.join(parts)}.log"


def find_runs(output: Path) -> list[RunFiles]:
    """Return all runs that have left something below ``output``, those of other plans among them."""
    runs = output / RUNS
    return [RunFiles(output, str(path.relative_to(runs))) for path in sorted(runs.rglob("seed-*")) if path.is_dir()]


def dependency_file(output: Path, group: str) -> Path:
    """Return the file with the dependency of a group's models."""
    return output / "dependency" / f"{group}.json"

"""Where the files of an output directory lie. Standard library only: Snakemake reads it too, in its own environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: What is run; written before Snakemake starts.
PLAN = "plan.json"
#: Held by the command that is at work in the directory.
LOCK = ".lock"
RUNS, LOGS = "runs", "logs"
#: What stages leave in their directories: where a result comes from; of a training its recipe and the trainer's state.
RECORD, RECIPE, STATE = "provenance.json", "recipe.yaml", "trainer_state.json"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run: its ``name``, such as ``llama2-7b/gsm8k-mft/seed-1``, below ``output``."""

    output: Path
    name: str

    @property
    def directory(self) -> Path:
        """Everything that stays of the run, logs excepted."""
        return self.output / RUNS / self.name

    @property
    def data(self) -> Path:
        """The tokenised data."""
        return self.directory / "data"

    @property
    def train(self) -> Path:
        """Recipe, log and state of the training."""
        return self.directory / "train"

    @property
    def model(self) -> Path:
        """The weights."""
        return self.directory / "model"

    @property
    def curve(self) -> Path:
        """The accuracy of every checkpoint."""
        return self.directory / "curve.json"

    @property
    def work(self) -> Path:
        """What an unfinished training has written so far."""
        return self.output / "work" / self.name

    @property
    def evaluate_directory(self) -> Path:
        """All evaluations, by backend and task."""
        return self.directory / "evaluate"

    @property
    def scores_directory(self) -> Path:
        """All scores, by backend and task."""
        return self.directory / "scores"

    def evaluation(self, backend: str, task: str) -> Path:
        """lm-eval's results and samples."""
        return self.evaluate_directory / backend / task

    def scores(self, backend: str, task: str) -> Path:
        """What the report needs of an evaluation."""
        return self.scores_directory / backend / f"{task}.json"

    def evaluated(self) -> list[tuple[str, str]]:
        """Backend and task of every evaluation or scores that are there, those of other plans among them."""
        evaluations = [path.parts[-2:] for path in self.evaluate_directory.glob("[!.]*/[!.]*")]
        scores = [(path.parent.name, path.stem) for path in self.scores_directory.glob("[!.]*/[!.]*.json")]
        return sorted({(backend, task) for backend, task in [*evaluations, *scores]})

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

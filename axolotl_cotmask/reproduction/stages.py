"""The stages of a run: data, train, evaluate, score. Each leaves one directory or file, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import PROGRESS_VARIABLE, read_json, whole_directory, whole_file
from axolotl_cotmask.data.sources import ENV_VAR
from axolotl_cotmask.evaluation import signature
from axolotl_cotmask.evaluation.graded import clusters_of
from axolotl_cotmask.evaluation.lm_eval import evaluation_command, model_args
from axolotl_cotmask.evaluation.results import check_all_there, find_tasks, read_samples
from axolotl_cotmask.reproduction import provenance
from axolotl_cotmask.reproduction.integrity import write_manifest
from axolotl_cotmask.reproduction.layout import PLAN, PROGRESS, RECIPE, RECORD, STATE, RunFiles
from axolotl_cotmask.reproduction.plan import Config, RunPlan, Setup, read_run

#: Stages run in the output directory.
_PLAN = Path(PLAN)
_BEGUN = "cell.json"  # of a training: the recipe that it began with
_ATTEMPTS = "attempts.json"
_CPU = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
#: The keys of a recipe that a stage sets itself: where things lie changes no result.
OWN_KEYS = ("dataset_prepared_path", "output_dir", "auto_resume_from_checkpoints")
_CHECKPOINTS = "checkpoint-*"
_CONFIG = "config.yaml"


@contextmanager
def _result(path: Path) -> Iterator[Path]:
    """Yield a new directory, which becomes ``path``, with a manifest, when the block ends well."""
    with whole_directory(path) as new:
        yield new
        write_manifest(new)


def data(name: str, output: Path) -> None:
    """Tokenise a run's data into ``output/prepared`` by ``axolotl preprocess``, before it takes a GPU."""
    setup, run = read_run(_PLAN, name)
    with _result(output) as new:
        config = (run.config or {}) | {
            "dataset_prepared_path": str((new / "prepared").resolve()),
            "output_dir": str((new / "log").resolve()),
        }
        record = _run_program(setup, run, new, ["axolotl", "preprocess", _write_config(new, config)], config)
        _write_record(new, record | {"data": _fingerprint(new / "prepared")})


def _fingerprint(prepared: Path) -> dict[str, Any]:
    """Return the number of rows and tokens, and a hash over all token ids and labels in their order."""
    from datasets import load_from_disk

    digest, rows, tokens = hashlib.sha256(), 0, 0
    for dataset in sorted(path.parent for path in prepared.rglob("dataset_info.json")):
        for row in load_from_disk(str(dataset)).select_columns(["input_ids", "labels"]):
            digest.update(json.dumps([row["input_ids"], row["labels"]]).encode())
            rows, tokens = rows + 1, tokens + len(row["input_ids"])
    return {"rows": rows, "tokens": tokens, "sha256": digest.hexdigest()}


def train(name: str, prepared: Path, output: Path, model: Path) -> None:
    """Train a run by ``axolotl train``, from its last checkpoint where it was killed before.

    ``output`` gets the recipe, the trainer's state with its log and the provenance, ``model`` the weights. A run whose
    recipe has changed since begins anew.
    """
    setup, run = read_run(_PLAN, name)
    work = RunFiles(Path(), name).work
    own = (str((prepared / "prepared").resolve()), str((work / "output").resolve()), True)
    config = (run.config or {}) | dict(zip(OWN_KEYS, own, strict=True))
    begun = work / _BEGUN
    if not begun.is_file() or begun.read_text() != json.dumps(run.config):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        begun.write_text(json.dumps(run.config))
    for checkpoint in _checkpoints(work / "output"):
        if not _complete(checkpoint):
            print(f"{checkpoint} was not written to its end: going on from the one before", flush=True)
            shutil.rmtree(checkpoint)
    launcher = ["--launcher=python"]
    if run.gpus > 1:
        # Port 0: others may train on the same machine.
        launcher = ["--launcher=accelerate", "--", "--num_processes", str(run.gpus), "--main_process_port", "0"]
    record = _run_program(setup, run, work, ["axolotl", "train", _write_config(work, config), *launcher], config)
    checkpoints = _checkpoints(work / "output")
    with _result(output) as new:
        shutil.copy(work / _CONFIG, new / RECIPE)
        shutil.copy(work / "output" / "debug.log", new / "axolotl.log")
        if checkpoints:
            shutil.copy(checkpoints[-1] / STATE, new / STATE)
        _write_record(new, record)
    if run.curve is None:
        for checkpoint in checkpoints:
            shutil.rmtree(checkpoint)
    with _result(model) as new:
        new.rmdir()
        (work / "output").rename(new)
    shutil.rmtree(work)


def _checkpoints(output: Path) -> list[Path]:
    return sorted(output.glob(_CHECKPOINTS), key=lambda path: int(path.name.rpartition("-")[2]))


def _complete(checkpoint: Path) -> bool:
    try:
        # The trainer writes this file last.
        read_json(checkpoint / STATE)
    except CoTMaskError:
        return False
    return True


def evaluate(name: str, task: str, output: Path) -> None:
    """Score a run, or a released checkpoint, on one task by lm-eval."""
    setup, run = read_run(_PLAN, name)
    on_cpu, vllm = setup.device == "cpu", setup.backend == "vllm"
    settings: dict[str, Any] = {"dtype": "float32" if on_cpu else "bfloat16"}
    if vllm:
        settings |= {"data_parallel_size": run.gpus, "gpu_memory_utilization": 0.9}
    weights = run.model or RunFiles(Path(), name).model.resolve()
    with _result(output) as new:
        command = evaluation_command(
            model_args(weights, setup.backend, **settings),
            task,
            new,
            batch_size="auto" if vllm else 128 if on_cpu else 16,
            program=setup.lm_eval,
            backend=setup.backend,
            processes=run.gpus,
            device="cpu" if on_cpu else None,
            generation=setup.generation,
            chat_template=run.task(task).chat,
            confirm_run_unsafe_code=setup.confirm_run_unsafe_code,
        )
        record = _run_program(setup, run, new, command, {"base_model": run.model})
        _write_record(new, record)


def score(results: Path, task: str, output: Path) -> None:
    """Write what the report needs of an evaluation: numbers, verdicts by question, clusters, signatures.

    Raises:
        CoTMaskError: the samples are not those that lm-eval counted.
    """
    members = find_tasks(results)
    content = next(iter(members.values())).content
    questions: dict[str, list[float | None]] = {}
    documents: list[dict[str, Any]] = []
    clusters: list[tuple[str, Hashable]] = []
    signatures = {}
    # Of a group of tasks all members are there, and the group only as a sum.
    for member, result in sorted(members.items()):
        samples = read_samples(result.samples_file())
        check_all_there(result, len(samples))
        of_member = [sample.document for sample in samples]
        documents += of_member
        clusters += [(member, cluster) for cluster in clusters_of(of_member)[1]]
        for metric in samples[0].fields["metrics"]:
            questions.setdefault(metric, []).extend(sample.fields[metric] for sample in samples)
        signatures[member] = str(signature.compose(content, member, (sample.fields for sample in samples)))
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    scored = {
        "values": {
            metric.removesuffix(",none"): value
            for metric, value in content["results"][task].items()
            if metric.endswith(",none") and isinstance(value, (int, float))
        },
        # Of a group only what all its members have.
        "questions": {metric: values for metric, values in questions.items() if len(values) == len(documents)},
        "clusters": [numbers[cluster] for cluster in clusters],
        "documents": signature.fingerprint(documents),
        "signatures": signatures,
    }
    with whole_file(output) as temporary:
        temporary.write_text(json.dumps(scored), encoding="utf-8")


def _write_config(directory: Path, config: Config) -> str:
    path = directory / _CONFIG
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return str(path.resolve())


def _write_record(directory: Path, record: dict[str, Any]) -> None:
    _write_json(directory / RECORD, record)
    provenance.write_code_and_versions(directory)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _run_program(setup: Setup, run: RunPlan, work: Path, command: Sequence[str], config: Config) -> dict[str, Any]:
    """Run a stage's program, and return its provenance, with what earlier attempts in ``work`` took.

    Raises:
        SystemExit: with the program's status; it has said why in the log.
    """
    variables = dict(os.environ, AXOLOTL_DO_NOT_TRACK="1", TOKENIZERS_PARALLELISM="false")
    variables[PROGRESS_VARIABLE] = str((work / PROGRESS).resolve())
    if setup.device == "cpu":
        variables |= _CPU
    if run.data_dir:
        variables[ENV_VAR] = str(Path(run.data_dir).resolve())
    print(shlex.join(command), flush=True)
    joules, started = provenance.energy(), time.monotonic()
    process = subprocess.Popen(command, env=variables, cwd=setup.directory or None)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    attempts = read_json(work / _ATTEMPTS)["attempts"] if (work / _ATTEMPTS).is_file() else []
    attempts.append({"seconds": round(seconds, 1), "joules": provenance.joules_between(joules, provenance.energy())})
    if process.returncode:
        _write_json(work / _ATTEMPTS, {"attempts": attempts})
        sys.exit(process.returncode if process.returncode > 0 else 128 - process.returncode)
    repositories = [config.get("base_model"), *(entry["path"] for entry in config.get("datasets", []))]
    return {
        "command": shlex.join(command),
        "seconds": round(sum(attempt["seconds"] for attempt in attempts), 1),
        "attempts": attempts,
        # Of the largest process; the trainer logs that of the GPUs.
        "peak_memory_gib": round(usage.ru_maxrss / 2**20, 2),
        **provenance.describe_environment(filter(None, repositories)),
    }

"""The stages of a run: data, train, evaluate, score. Each leaves one directory or file, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.checkpoints import checkpoints, is_complete
from axolotl_cotmask.common.files import read_json
from axolotl_cotmask.evaluation import signature
from axolotl_cotmask.evaluation.graded import clusters_of
from axolotl_cotmask.evaluation.lm_eval import evaluation_command, model_args
from axolotl_cotmask.evaluation.results import check_all_there, find_tasks, read_samples
from axolotl_cotmask.reproduction.chain_stages import chained_config
from axolotl_cotmask.reproduction.integrity import write_sealed
from axolotl_cotmask.reproduction.layout import PLAN, RECIPE, STATE, RunFiles
from axolotl_cotmask.reproduction.lessons import LESSON_TASK, seeds_of
from axolotl_cotmask.reproduction.plan import Config, RunPlan, Setup, Task, read_run
from axolotl_cotmask.reproduction.stage_program import CONFIG, begin, result, run_program, write_config, write_record

#: Stages run in the output directory.
_PLAN = Path(PLAN)
#: The keys of a recipe that a stage sets itself: where things lie changes no result.
_OWN_KEYS = ("dataset_prepared_path", "output_dir", "auto_resume_from_checkpoints")
#: Either writes step and loss while it trains; the second one does nothing else.
_MASKS, _WATCHES = "axolotl_cotmask.CoTMaskPlugin", "axolotl_cotmask.training.progress.ProgressPlugin"


def data(name: str, output: Path) -> None:
    """Tokenise a run's data into ``output/prepared`` by ``axolotl preprocess``, before it takes a GPU."""
    setup, run = read_run(_PLAN, name)
    with result(output) as new:
        config = chained_config(name, run) | {
            "dataset_prepared_path": str((new / "prepared").resolve()),
            "output_dir": str((new / "log").resolve()),
        }
        record = run_program(setup, run.data_dir, new, ["axolotl", "preprocess", write_config(new, config)], config)
        write_record(new, record | {"data": _fingerprint(new / "prepared")})


def _fingerprint(prepared: Path) -> dict[str, Any]:
    """Return the number of rows and tokens, and a hash over all token ids and labels in their order.

    Preference pairs are texts here, and have no tokens yet.
    """
    from datasets import load_from_disk

    digest, rows, tokens = hashlib.sha256(), 0, 0
    for dataset in sorted(path.parent for path in prepared.rglob("dataset_info.json")):
        loaded = load_from_disk(str(dataset))
        columns = ["input_ids", "labels"] if "labels" in loaded.column_names else sorted(loaded.column_names)
        for row in loaded.select_columns(columns):
            digest.update(json.dumps([row[column] for column in columns]).encode())
            rows, tokens = rows + 1, tokens + len(row.get("input_ids", ()))
    return {"rows": rows, "tokens": tokens, "sha256": digest.hexdigest()}


def train(name: str, prepared: Path, output: Path, model: Path) -> None:
    """Train a run by ``axolotl train``, from its last checkpoint where it was killed before.

    ``output`` gets the recipe, the trainer's state with its log and the provenance, ``model`` the weights. A run whose
    recipe has changed since begins anew.
    """
    setup, run = read_run(_PLAN, name)
    work = RunFiles(Path(), name).work
    own = (str((prepared / "prepared").resolve()), str((work / "output").resolve()), True)
    config = watched(chained_config(name, run)) | dict(zip(_OWN_KEYS, own, strict=True))
    begin(work, run.config)
    for checkpoint in checkpoints(work / "output"):
        if not is_complete(checkpoint, run.gpus or 1):
            print(f"{checkpoint} was not written to its end: going on from the one before", flush=True)
            shutil.rmtree(checkpoint)
    launcher = ["--launcher=python"]
    if run.gpus > 1:
        # Port 0: others may train on the same machine.
        launcher = ["--launcher=accelerate", "--", "--num_processes", str(run.gpus), "--main_process_port", "0"]
    record = run_program(setup, run.data_dir, work, ["axolotl", "train", write_config(work, config), *launcher], config)
    written = checkpoints(work / "output")
    with result(output) as new:
        shutil.copy(work / CONFIG, new / RECIPE)
        shutil.copy(work / "output" / "debug.log", new / "axolotl.log")
        if written:
            shutil.copy(written[-1] / STATE, new / STATE)
        write_record(new, record)
    if run.curve is None:
        for checkpoint in written:
            shutil.rmtree(checkpoint)
    with result(model) as new:
        new.rmdir()
        (work / "output").rename(new)
    shutil.rmtree(work)


def watched(config: Config) -> Config:
    """Return a recipe whose training tells how far it is, also where the plugin has no part in it."""
    plugins = config.get("plugins") or []
    return config if _MASKS in plugins else config | {"plugins": [*plugins, _WATCHES]}


def without_own(config: Mapping[str, Any]) -> Config:
    """Return a recipe without what `train` sets itself, which changes no result."""
    plugins = [plugin for plugin in config.get("plugins") or () if plugin != _WATCHES]
    left = {key: value for key, value in config.items() if key not in (*_OWN_KEYS, "plugins")}
    return left | ({"plugins": plugins} if plugins else {})


def evaluate(name: str, task: str, output: Path) -> None:
    """Score a run, or a released checkpoint, on one task by lm-eval."""
    setup, run = read_run(_PLAN, name)
    weights = run.model or RunFiles(Path(), name).model.resolve()
    _score(setup, run, weights, run.task(task), run.data_dir, output)


def mistakes(name: str, output: Path) -> None:
    """Ask a run's source the questions that it was trained on, greedily: a teacher is shown what it gets wrong."""
    setup, run = read_run(_PLAN, name)
    assert run.chain is not None
    weights = RunFiles(Path(), run.chain.source).model.resolve()
    greedy = ",".join(filter(None, ("do_sample=False,temperature=0", setup.generation)))
    data_dir = str(seeds_of(setup, run).parent)
    _score(replace(setup, generation=greedy), run, weights, Task(LESSON_TASK), data_dir, output)


def _score(setup: Setup, run: RunPlan, weights: str | Path, task: Task, data_dir: str, output: Path) -> None:
    on_cpu, vllm = setup.device == "cpu", setup.backend == "vllm"
    settings: dict[str, Any] = {"dtype": "float32" if on_cpu else "bfloat16"}
    if vllm:
        settings |= {"data_parallel_size": run.gpus, "gpu_memory_utilization": 0.9}
    with result(output) as new:
        command = evaluation_command(
            model_args(weights, setup.backend, **settings),
            task.name,
            new,
            batch_size="auto" if vllm else 128 if on_cpu else 16,
            program=setup.lm_eval,
            backend=setup.backend,
            processes=run.gpus,
            device="cpu" if on_cpu else None,
            generation=setup.generation,
            chat_template=task.chat,
            confirm_run_unsafe_code=setup.confirm_run_unsafe_code,
        )
        record = run_program(setup, data_dir, new, command, {"base_model": run.model})
        write_record(new, record)


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
    for member, scored_task in sorted(members.items()):
        samples = read_samples(scored_task.samples_file())
        check_all_there(scored_task, len(samples))
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
    write_sealed(output, scored)


def seal(printed: Path, output: Path) -> None:
    """Write what a command has printed, a JSON object, with its checksum, and remove what was printed.

    Raises:
        CoTMaskError: it is no complete JSON.
    """
    write_sealed(output, read_json(printed))
    printed.unlink()

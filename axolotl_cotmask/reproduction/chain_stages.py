"""The stages of a chain: a run's model is sampled, rows are made of the samples, and another run begins with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from axolotl_cotmask.common.files import sha256
from axolotl_cotmask.reproduction.integrity import MANIFEST
from axolotl_cotmask.reproduction.layout import PLAN, RECIPE, ROWS, ROWS_REPORT, RunFiles
from axolotl_cotmask.reproduction.lessons import teach
from axolotl_cotmask.reproduction.plan import Chain, Config, RunPlan, Sampling, read_run
from axolotl_cotmask.reproduction.stage_program import AUGMENT, begin, result, run_program, write_config, write_record

_PLAN = Path(PLAN)


def sample(name: str, task: str, output: Path) -> None:
    """Sample a run's model by ``axolotl cotmask augment sample``, from its last round where it was killed before."""
    setup, run = read_run(_PLAN, name)
    sampling, on_cpu = _sampling(run), setup.device == "cpu"
    files = RunFiles(Path(), name)
    work = files.work / task
    # Other weights, or other settings, begin anew.
    begin(work, {"weights": sha256(files.model / MANIFEST), "sampling": asdict(sampling), "setup": asdict(setup)})
    command = [
        *(*AUGMENT, "sample", str(files.model.resolve()), "--task", task, "--samples", str(sampling.samples)),
        *("--output", str((work / "samples").resolve()), "--backend", setup.backend, "--lm-eval", setup.lm_eval),
        *("--model-args", json.dumps({"dtype": "float32" if on_cpu else "bfloat16"})),
        *("--batch-size", "128" if on_cpu else "auto", "--processes", str(max(1, run.gpus))),
        # Runs of a row do not draw alike.
        *("--seed", str(1000 * (run.config or {})["seed"])),
        *(("--device", "cpu") if on_cpu else ()),
        *(("--gen-kwargs", setup.generation) if setup.generation else ()),
    ]
    record = run_program(setup, sampling.data_dir, work, command, {})
    with result(output) as new:
        new.rmdir()
        (work / "samples").rename(new)
        write_record(new, record)
    shutil.rmtree(work)


def augment(name: str, output: Path) -> None:
    """Make a run's rows of the samples of another run's model by ``axolotl cotmask augment``."""
    setup, run = read_run(_PLAN, name)
    chain = _chain(run)
    if run.teacher is not None:
        teach(name, setup, run, output)
        return
    _, source = read_run(_PLAN, chain.source)
    sampling, files = _sampling(source), RunFiles(Path(), chain.source)
    direct = ("--direct", str(files.samples(sampling.direct_task).resolve())) if chain.direct else ()
    with result(output) as new:
        command = [
            *(*AUGMENT, *chain.make, str(files.samples(sampling.task).resolve()), *direct),
            *("--output", str((new / ROWS).resolve()), "--json"),
        ]
        write_record(new, run_program(setup, sampling.data_dir, new, command, {}, printed=new / ROWS_REPORT))


def merge(name: str, output: Path) -> None:
    """Merge the adapter that another run trained into its base model, by ``axolotl merge-lora``."""
    setup, run = read_run(_PLAN, name)
    source = RunFiles(Path(), _chain(run).source)
    config = yaml.safe_load((source.train / RECIPE).read_text(encoding="utf-8"))
    work = RunFiles(Path(), name).work / "merge"
    begin(work, {})
    config |= {"lora_model_dir": str(source.model.resolve()), "output_dir": str(work.resolve())}
    record = run_program(setup, run.data_dir, work, ["axolotl", "merge-lora", write_config(work, config)], config)
    with result(output) as new:
        new.rmdir()
        (work / "merged").rename(new)
        write_record(new, record)
    shutil.rmtree(work)


def chained_config(name: str, run: RunPlan) -> Config:
    """Return a run's recipe with what it gets of another run: the rows that were made, the weights to go on from."""
    config, chain = run.config or {}, run.chain
    if chain is None:
        return config
    files, source = RunFiles(Path(), name), RunFiles(Path(), chain.source)
    first, *others = config["datasets"]
    config = config | {"datasets": [first | {"path": str((files.made / ROWS).resolve())}, *others]}
    if chain.continues:
        config["base_model"] = str((files.start if chain.merge else source.model).resolve())
    return config


def without_chained(config: Mapping[str, Any], chain: Chain | None) -> dict[str, Any]:
    """Return a recipe without what `chained_config` puts in, whose place says nothing of what it is."""
    if chain is None or not config:
        return dict(config)
    first, *others = config["datasets"]
    left = {key: value for key, value in config.items() if key != "base_model" or not chain.continues}
    return left | {"datasets": [{key: value for key, value in first.items() if key != "path"}, *others]}


def _sampling(run: RunPlan) -> Sampling:
    assert run.sampling is not None
    return run.sampling


def _chain(run: RunPlan) -> Chain:
    assert run.chain is not None
    return run.chain

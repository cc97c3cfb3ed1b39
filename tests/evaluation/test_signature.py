"""The signature of a result: recorded by the real lm_eval, composed from its results, and what differs between two."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datasets import Dataset
from support.forked import Axolotl
from support.project import write_jsonl

from axolotl_cotmask.cli.compare import compare
from axolotl_cotmask.cli.signature import signature as signature_command
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.versions import package_version
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation import signature
from axolotl_cotmask.evaluation.signature import Signature, differences, fingerprint

ROOT = Path(__file__).parents[2]
ROWS = [{"question": f"What is {n} + 1?", "answer": f"#### {n + 1}"} for n in range(4)]

# Two tasks with one recording function, in a group, as GSM-IC's are.
TASK = """
include: {gsm8k}
task: signed_{name}
custom_dataset: !function recording.load_documents
dataset_kwargs:
  source: {source}
metadata:
  version: 1.5
  signature: {{}}
"""
RECORDING = """
from axolotl_cotmask.data.sources import load
from axolotl_cotmask.evaluation.signature import record

def load_documents(source, signature, **_):
    documents = load(source)
    record(signature, source=source, rows=documents)
    return {"test": documents}
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the tasks, and data for them."""
    data, tasks = tmp_path / "data", tmp_path / "tasks"
    data.mkdir()
    tasks.mkdir()
    write_jsonl(data / "gsm8k_test.jsonl", ROWS)
    write_jsonl(data / "gsm8k_train.jsonl", ROWS[:3])
    monkeypatch.setenv("COTMASK_DATA_DIR", str(data))
    gsm8k = ROOT / "evaltasks" / "cotmask_gsm8k" / "cotmask_gsm8k.yaml"
    for name in ("test", "train"):
        (tasks / f"{name}.yaml").write_text(TASK.format(gsm8k=gsm8k, name=name, source=f"gsm8k_{name}"))
    (tasks / "group.yaml").write_text("group: signed\ntask: [signed_test, signed_train]\n")
    (tasks / "recording.py").write_text(RECORDING)
    return tasks


@pytest.fixture
def evaluated(tasks: Path, tmp_path: Path, axolotl: Axolotl) -> Path:
    """What lm-eval's command line wrote for two questions of each task, with metadata and model arguments merged in."""
    output = tmp_path / "output"
    generations = tmp_path / "generations.json"
    generations.write_text(json.dumps({alpaca_prompt(row["question"]): row["answer"] for row in ROWS}))
    axolotl.lm_eval(
        *("run", "--model", "scripted", "--include_path", tasks, "--tasks", "signed"),
        *("--model_args", f"generations={generations},dtype=float32,add_bos_token=True"),
        *("--limit", "2", "--gen_kwargs", "max_gen_toks=64", "--metadata", '{"mine": 1}'),
        *("--log_samples", "--output_path", output),
    ).check()
    return output


def test_what_a_task_records_arrives_in_the_results_and_is_printed(evaluated: Path, tmp_path: Path) -> None:
    printed = CliRunner().invoke(signature_command, [str(evaluated)])
    assert printed.exit_code == 0, printed.output
    prompt = hashlib.sha256(alpaca_prompt(ROWS[0]["question"]).encode()).hexdigest()[:8]
    lines = [
        f"task:signed_{name}|v:1.5|shots:0|prompt:{prompt}|chat:no|bos:yes|stops:eos|max:64|decoding:greedy"
        f"|backend:scripted|args:generations={tmp_path / 'generations.json'}|batch:1|dtype:float32"
        f"|data:gsm8k_{name}@{fingerprint(rows)}|n:2 of {len(rows)}|lm-eval:{version('lm_eval')}"
        f"|transformers:{version('transformers')}|torch:{version('torch')}"
        f"{math_verify()}|axolotl-cotmask:{package_version()}"
        for name, rows in (("test", ROWS), ("train", ROWS[:3]))
    ]
    assert sorted(printed.stdout.splitlines()) == lines
    one = CliRunner().invoke(signature_command, [str(evaluated), "--task", "signed_test"])
    assert one.stdout == lines[0] + "\n"
    group = CliRunner().invoke(signature_command, [str(evaluated), "--task", "signed"])
    assert group.exit_code == 1
    assert group.stderr.startswith("Error: the results hold no task signed: name one of signed_test, signed_train")

    same = CliRunner().invoke(compare, [str(evaluated), str(evaluated), "--task", "signed_test"])
    assert f"Signature of A and B: {lines[0]}\n" in same.stdout
    assert same.stderr == ""
    tasks = [next(evaluated.rglob(f"samples_signed_{name}_*.jsonl")) for name in ("test", "train")]
    other = CliRunner().invoke(compare, [str(path) for path in tasks])
    assert "the evaluations differ in the data: gsm8k_test@" in other.stderr
    assert "the evaluations differ in the number of questions: 2 of 4 in A, 2 of 3 in B" in other.stderr


def math_verify() -> str:
    entry: dict[str, Any] = {}
    signature.record(entry, source="x", rows=[])
    return f"|math-verify:{entry['math-verify']}" if "math-verify" in entry else ""


def test_the_python_interface_without_metadata_records_too(tasks: Path) -> None:
    from lm_eval.tasks import TaskManager, get_task_dict

    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    for _ in range(2):
        task = get_task_dict(["signed_test"], manager)["signed_test"]
        assert task.dump_config()["metadata"]["signature"]["data"] == f"gsm8k_test@{fingerprint(ROWS)}"


def results(**config: Any) -> dict[str, Any]:
    """A results file's content, as lm-eval writes it; the keys of ``task`` go into the task's config."""
    task = {"metadata": {"version": 1.0}, **config.pop("task", {})}
    top = {name: config.pop(name) for name in ("chat_template_sha", "system_instruction_sha") if name in config}
    return {"configs": {"x": task}, "config": config, **top}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (results(), {"bos": "default", "stops": "eos", "decoding": "greedy", "dtype": "auto", "chat": "no"}),
        (results(model_args={"add_bos_token": False}), {"bos": "no"}),
        (results(model_args="pretrained=m,dtype=bfloat16,add_bos_token=True"), {"bos": "yes", "dtype": "bfloat16"}),
        (results(model_args={"dtype": "auto"}, model_dtype="torch.bfloat16"), {"dtype": "bfloat16"}),
        (results(model_args={"pretrained": "m", "max_length": 512, "load_in_4bit": True}), {"args": "load_in_4bit=True,max_length=512"}),
        (results(chat_template_sha="0123456789", system_instruction_sha="abcdefghij"), {"chat": "01234567", "system": "abcdefgh"}),
        (results(task={"generation_kwargs": {"until": ["\n\n", "Q:"]}}), {"stops": 'eos,"\\n\\n","Q:"'}),
        (results(task={"generation_kwargs": {"do_sample": False, "temperature": 1.0, "num_beams": 4}}), {"decoding": "greedy,num_beams=4"}),
        (
            results(task={"generation_kwargs": {"do_sample": True, "temperature": 0.7, "top_p": 0.9}}, torch_seed=5),
            {"decoding": "sampled,temperature=0.7,top_p=0.9,seed=5"},
        ),
        (results(task={"generation_kwargs": {"temperature": 0.7}}, torch_seed=5), {"decoding": "sampled,temperature=0.7,seed=5"}),
    ],
)  # fmt: skip
def test_parts_that_lm_eval_notes(content: dict[str, Any], parts: dict[str, str]) -> None:
    found = signature.compose(content, "x")
    assert {name: found[name] for name in parts} == parts
    assert "prompt" not in found, "there are no samples"
    assert "data" not in found, "nothing was recorded"


def test_the_prompt_is_that_of_the_first_question() -> None:
    samples = [{"doc_id": 2, "prompt_hash": "b" * 64}, {"doc_id": 0, "prompt_hash": "a" * 64}]
    assert signature.compose(results(), "x", samples)["prompt"] == "aaaaaaaa"


def test_a_task_may_record_parts_of_its_own() -> None:
    a, b = (
        signature.compose(results(task={"metadata": {"signature": {"sandbox": level, "data": "d@1"}}}), "x")
        for level in ("full", "none")
    )
    assert str(a).endswith("|data:d@1|sandbox:full")
    assert differences(a, b) == ["the sandbox: full in A, none in B"]


def test_a_task_that_is_not_there() -> None:
    with pytest.raises(CoTMaskError, match="the results hold no task y: name one of x"):
        signature.compose(results(), "y")


def test_what_moves_scores_differs() -> None:
    a = Signature({"prompt": "1", "stops": "eos", "batch": "1", "dtype": "bfloat16", "data": "d@1"})
    b = Signature({"prompt": "2", "stops": 'eos,"Q:"', "batch": "8", "dtype": "bfloat16"})
    assert differences(a, b) == [
        "the prompt of the first question: 1 in A, 2 in B",
        'the stops: eos in A, eos,"Q:" in B',
        "the batch size: 1 in A, 8 in B",
        "the data: d@1 in A, not recorded in B",
    ]
    assert differences(a, a) == []


def test_the_batch_size_does_not_move_scores_in_full_precision() -> None:
    a, b = (Signature({"batch": size, "dtype": "float32"}) for size in ("1", "8"))
    assert differences(a, b) == []
    assert differences(a, Signature(b | {"dtype": "auto"})) == [
        "the batch size: 1 in A, 8 in B", "the dtype: float32 in A, auto in B"
    ]  # fmt: skip


def test_the_same_rows_have_the_same_fingerprint_wherever_they_come_from(tmp_path: Path) -> None:
    rows = [{"question": "Why “so”?", "n": 1}, {"question": "How?", "n": 2, "label": "x"}]
    wanted = fingerprint(rows)
    assert len(wanted) == 8
    assert fingerprint([dict(reversed(row.items())) for row in rows]) == wanted
    # In columns, the row without a label has a null.
    assert (
        fingerprint(Dataset.from_dict({"label": [None, "x"], "n": [1, 2], "question": ["Why “so”?", "How?"]})) == wanted
    )
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    assert fingerprint(Dataset.from_json(str(path), cache_dir=str(tmp_path))) == wanted
    assert fingerprint(rows[::-1]) != wanted
    assert fingerprint([rows[0], rows[1] | {"n": 3}]) != wanted


def test_the_version_names_the_commit_of_a_checkout_and_none_of_a_repository_around_it(tmp_path: Path) -> None:
    package = tmp_path / "axolotl_cotmask"
    shutil.copytree(ROOT / "axolotl_cotmask", package, ignore=shutil.ignore_patterns("__pycache__"))

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.excludesFile="]
        run = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    def found() -> str:
        code = "from axolotl_cotmask.evaluation.signature import package_version; print(package_version())"
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return run.stdout.strip()

    installed = version("axolotl-cotmask")
    git("init")
    git("commit", "--allow-empty", "-m", "a repository around an installed package")
    assert found() == installed
    git("add", "axolotl_cotmask")
    git("commit", "-m", "the package")
    commit = git("rev-parse", "--short=7", "HEAD")
    assert found() == f"{installed}+{commit}"
    (tmp_path / "README.md").touch()
    assert found() == f"{installed}+{commit}", "what is beside package and tasks moves no score"
    (package / "prompts.py").write_text("changed")
    assert found() == f"{installed}+{commit}.dirty"

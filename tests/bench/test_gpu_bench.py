"""The bench for one GPU, rehearsed on a CPU; its loop is the plugin's, its questions and answers are the tasks'."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any

import lm_eval
import pytest
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from support.lm_eval_runs import EVALTASKS
from support.project import Project, write_jsonl
from support.recorded import RECORDER, forwards
from support.trained import OURS, last_state, weights
from transformers import AutoModelForCausalLM, AutoTokenizer

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.config import CoTMaskConfig
from bench.gpu import accuracy, answers, checks, loop
from bench.gpu.__main__ import main
from bench.gpu.answers import documents, scores
from bench.gpu.rows import packed, shuffled, tokenized
from bench.gpu.sizes import FULL, REHEARSAL
from bench.gpu.steps import Book, Clock, OutOfTime, Step, run_steps
from bench.gpu.throughput import _batch, masking_with, random_rows

DATA = "COTMASK_DATA_DIR"


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A rehearsal that is stopped in its second training, and goes on."""
    directory = tmp_path_factory.mktemp("bench") / "run"
    call = ["--rehearse", str(directory)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA, "set by the rehearsal")
        trainings = iter([loop.train, stop])
        with pytest.MonkeyPatch.context() as once:
            once.setattr(accuracy, "train", lambda *args, **options: next(trainings)(*args, **options))
            stopped = main(call)
        half = (directory / "results.md").read_text(encoding="utf-8")
        kept = {file.name: file.read_bytes() for file in directory.glob("steps/*")}
        # As a kill while a model is saved leaves it.
        (directory / "models" / ".model-mft.x" / "new").mkdir(parents=True)
        ended = main(call)
    return SimpleNamespace(directory=directory, stopped=stopped, half=half, kept=kept, ended=ended)


def stop(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_the_rehearsal_goes_on_where_it_was_stopped(rehearsed: Any) -> None:
    assert (rehearsed.stopped, rehearsed.ended) == (1, 0)
    assert set(rehearsed.kept) == {
        "throughput-packed-4096.json", "throughput-4-x-512.json", "training-sft-10-epochs-42.json",
        "answers-sft-10-epochs-42.json",
    }  # fmt: skip
    steps = {file.name: file.read_bytes() for file in rehearsed.directory.glob("steps/*")}
    assert steps.items() >= rehearsed.kept.items(), "nothing was done again"
    assert len(steps) == 2 + 2 * 5 * 2
    assert not list(rehearsed.directory.glob("models/.*"))
    # In half the table, the first arm has a seed and the others have none.
    assert "| SFT, 10 epochs | 1 of 2 |" in rehearsed.half
    assert "| MFT, mask 0.4 | 0 of 2 | not run |" in rehearsed.half


@pytest.mark.slow
def test_the_table_says_what_it_is(rehearsed: Any) -> None:
    text = (rehearsed.directory / "results.md").read_text(encoding="utf-8")
    assert "no number here is a measurement" in text
    assert "not run" not in text
    assert f"torch {torch.__version__}" in text
    for arm in ("SFT, 3 epochs", "MFT, random 0.4", "MFT, random 0.2", "MFT, mask 0.4", "SFT, 10 epochs"):
        assert f"| {arm} | 2 of 2 |" in text
    content = json.loads((rehearsed.directory / "results.json").read_text(encoding="utf-8"))
    assert content["sizes"] == "rehearsal"
    for runs in content["accuracy"].values():
        for run in runs.values():
            assert set(run["answers"]["made_on"]) == {
                "card", "axolotl-cotmask", "torch", "CUDA", "transformers", "Python",
            }  # fmt: skip
    realised = {
        arm: runs["42"]["training"]["epochs"][-1].get("cotmask/realised_ratio")
        for arm, runs in content["accuracy"].items()
    }
    assert realised["SFT, 10 epochs"] == realised["SFT, 3 epochs"] == 0
    assert 0.2 < realised["MFT, mask 0.4"] == realised["MFT, random 0.4"] < 0.6
    assert 0.05 < realised["MFT, random 0.2"] < 0.35


@pytest.mark.slow
def test_masking_tokens_makes_the_host_wait_nowhere(rehearsed: Any) -> None:
    """Seen on a CPU: none of the calls is added that wait on a GPU. Noise on embeddings, and sampling, have some."""
    content = json.loads((rehearsed.directory / "results.json").read_text(encoding="utf-8"))
    for layout in content["throughput"].values():
        added = {
            name: {call: count for call, count in way["waits_added"].items() if count}
            for name, way in layout["ways"].items()
        }
        for noise in ("mask", "random", "mask 0.8, random 0.2"):
            assert added[noise] == {}, noise
            # On a processor, where nobody waits, they look for the tokens with labels.
            assert added[f"{noise}, logged losses"] == {"aten::nonzero": 1}, noise
        for noise in ("dropout, q 0.9", "uniform, alpha 5", "scheduled sampling, tau 5"):
            assert added[noise]["aten::nonzero"] == 1


@pytest.mark.slow
def test_another_base_is_not_mixed_in(
    rehearsed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA, "set by the rehearsal")
    book = Book(rehearsed.directory, "rehearsal")
    with pytest.raises(CoTMaskError, match=r"made with base \w+, and this call has another: name another directory"):
        book.claim(base="another")
    with pytest.raises(CoTMaskError, match="made with sizes rehearsal, and this call has full"):
        Book(rehearsed.directory, "full")
    (tmp_path / "mine.txt").touch()
    with pytest.raises(CoTMaskError, match="holds something else: name a new directory"):
        Book(tmp_path, "full")
    with book.held():
        assert main(["--rehearse", str(rehearsed.directory)]) == 1
    assert "another call is at work there" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_is_gone_is_trained_again_on_request(
    rehearsed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA, "set by the rehearsal")
    call, steps = ["--rehearse", "--part", "accuracy", str(rehearsed.directory)], rehearsed.directory / "steps"
    shutil.rmtree(rehearsed.directory / "models" / "model-mft-mask-0.4-42")
    assert main(call) == 0, "it was asked already"
    before = (steps / "answers-mft-mask-0.4-42.json").read_bytes()
    (steps / "answers-mft-mask-0.4-42.json").unlink()
    assert main(call) == 1
    assert "model-mft-mask-0.4-42: the model is gone: remove the result of its training" in capsys.readouterr().err
    (steps / "training-mft-mask-0.4-42.json").unlink()
    assert main(call) == 0
    after = json.loads((steps / "answers-mft-mask-0.4-42.json").read_text(encoding="utf-8"))
    assert after["scores"] == json.loads(before)["scores"]


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "many"])
def test_minutes_are_a_number_above_0(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--minutes", minutes])
    assert "argument --minutes" in capsys.readouterr().err


def test_what_does_not_fit_into_the_time_is_left(tmp_path: Path) -> None:
    book, done = Book(tmp_path / "run", "full"), []

    def step(name: str, reckoned: float, ends: bool = True) -> Step:
        def run() -> dict[str, Any]:
            done.append(name)
            if not ends:
                raise OutOfTime
            return {"loss": float("nan")}

        return Step(name, "a kind", reckoned, run)

    def go_on(*steps: Step, minutes: float = 1) -> list[str]:
        return run_steps(steps, book, Clock(minutes), {"card": "none"}, lambda: None)

    # The first one took no time, so that by its pace the second one fits, whatever was reckoned.
    assert go_on(step("a", 50), step("b", 1000, ends=False), step("c", 1)) == ["b", "c"]
    assert done == ["a", "b"]
    assert book.result("a") == {"loss": None, "seconds": 0.0, "made_on": {"card": "none"}}
    with pytest.raises(CoTMaskError, match="b takes longer, and a call has 1 minutes: give more by --minutes"):
        go_on(step("a", 50), step("b", 1000, ends=False))
    with pytest.raises(CoTMaskError, match="d takes about 2 minutes, and a call has 1 minutes"):
        run_steps([Step("d", "another kind", 100, dict)], book, Clock(1), {}, lambda: None)
    assert go_on(step("a", 50), step("b", 10)) == []
    with pytest.raises(OutOfTime):
        Clock(0).check()


def test_each_lack_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATA, raising=False)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").touch()
    assert main([str(tmp_path / "run"), "--base", str(tmp_path / "base")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["bench.gpu"] * 6
    assert "sees no GPU" in lines[0]
    assert "there is no *.safetensors, so it is no model of transformers" in lines[1]
    assert all("COTMASK_DATA_DIR is not set, and no network is asked" in line for line in lines[2:])
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv(DATA, str(tmp_path))
    write_jsonl(tmp_path / "gsm8k_train.jsonl", [{"question": "?", "answer": "no number"}])
    write_jsonl(tmp_path / "gsm8k_test.jsonl", [{"question": "?"}])
    (tmp_path / "gsm_ic_2step_1k.jsonl").touch()
    *_, train, test, two, more = checks.faults(["accuracy"], tmp_path, tmp_path / "base", is_rehearsal=True)
    assert "gsm8k_train.jsonl, row 1: the rule gsm8k_hash reads no answer" in train
    assert "line 1: the field 'answer' is missing" in test
    assert "holds no rows" in two
    assert "gsm_ic_mstep_1k.jsonl is not in it" in more


def test_a_card_that_is_too_small_or_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = {
        "is_available": True,
        "get_device_name": "A card",
        "is_bf16_supported": False,
        "mem_get_info": (2**34, 2**35),
    }
    for name, value in card.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value, **_: value)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    monkeypatch.setattr(answers, "read", lambda _: [])
    monkeypatch.setattr(checks, "base_identity", lambda _: "a base")
    found = list(checks.faults(["throughput", "accuracy"], tmp_path / "a" / "b", None, is_rehearsal=False))
    assert [sentence.split(": ")[0] for sentence in found] == [
        "A card has no bfloat16",
        "A card has 16 of its 32 GiB free, and 62 are needed",
        f"{tmp_path / 'a' / 'b'}",
    ]
    assert "take a larger one" in found[1]
    assert "the disk has 1.0 GiB free, and 6.1 are needed" in found[2]


@pytest.mark.slow
def test_the_loop_is_the_plugin_in_axolotl(project: Project, gsm8k_rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """The same rows in the same batches: the same inputs and labels to the token, the same losses, the same weights."""
    masking = {"mask_ratio": 0.6, "noise": {"mask": 0.5, "random": 0.5}, "warmup_ratio": 0.5}
    project.train(
        "run", cotmask=masking, plugins=[OURS, RECORDER], num_epochs=2, micro_batch_size=10, sequence_len=110,
        excess_length_strategy="truncate", warmup_ratio=0.3, weight_decay=0.0, save_strategy="epoch", logging_steps=5,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(project.model)
    model = AutoModelForCausalLM.from_pretrained(project.model, attn_implementation="sdpa")
    training = loop.Training(CoTMaskConfig(**masking), 2, 10, 1e-3, 0.3, 0.0, 110)
    loop.add_mask_token(model, tokenizer, training.masking)
    rows = tokenized(tokenizer, gsm8k_rows, 110)
    assert len(rows) == 48
    assert 0 < sum(len(row["input_ids"]) == 110 for row in rows) < 48, "some are cut"
    number_of = {tuple(row["input_ids"]): number for number, row in enumerate(rows)}
    seen = [forward for forward in forwards(tmp_path / "run") if forward["training"]]
    batches = [[number_of[clean] for _, _, clean in samples(forward)] for forward in seen]
    order = [batches[:5], batches[5:]]
    assert [sorted(chain(*epoch)) for epoch in order] == [list(range(48))] * 2

    mine: list[dict[str, Any]] = []
    model.register_forward_pre_hook(
        lambda _, __, inputs: mine.append({name: inputs[name].tolist() for name in ("input_ids", "labels", "attention_mask")}),
        with_kwargs=True,
    )  # fmt: skip
    result = loop.train(model, tokenizer, rows, order, training, seed=7, check=lambda: None)
    assert [samples(forward) for forward in mine] == [samples(forward) for forward in seen]
    mask = tokenizer.convert_tokens_to_ids("<mask>")
    assert any(mask in ids for forward in mine for ids in forward["input_ids"])
    logs = [entry for entry in last_state(tmp_path / "run")["log_history"] if "cotmask/loss_noised" in entry]
    for number, (log, metrics) in enumerate(zip(logs, result["epochs"], strict=True)):
        assert log["loss"] == pytest.approx(mean(result["losses"][5 * number : 5 * number + 5]), abs=1e-3)
        for name, value in metrics.items():
            assert log[name] == pytest.approx(value, rel=1e-4), name
    expected = weights(tmp_path / "run")
    state = model.state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(state[name], tensor, atol=2e-5, rtol=1e-4)


def samples(forward: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The inputs, labels and clean tokens of each row of a forward, without padding."""
    found = []
    for ids, labels, mask in zip(forward["input_ids"], forward["labels"], forward["attention_mask"], strict=True):
        length = sum(mask)
        ids, labels = tuple(ids[:length]), tuple(labels[:length])
        found.append((ids, labels, tuple(i if label == -100 else label for i, label in zip(ids, labels, strict=True))))
    return found


@pytest.mark.slow
def test_the_answers_are_lm_evals(rehearsed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, most = rehearsed.directory / "inputs", 24
    monkeypatch.setenv(DATA, str(inputs / "data"))
    results = lm_eval.simple_evaluate(
        HFLM(str(inputs / "tiny"), dtype="float32", device="cpu", batch_size=3),
        tasks=["cotmask_gsm8k", "cotmask_gsm_ic"],
        task_manager=TaskManager(include_path=str(EVALTASKS), include_defaults=False),
        gen_kwargs=f"max_gen_toks={most}",
    )
    expected = {
        sample["arguments"][0][0]: sample["resps"][0][0]
        for task in ("cotmask_gsm8k", "cotmask_gsm_ic_2step", "cotmask_gsm_ic_mstep")
        for sample in results["samples"][task]
    }
    asked = documents({name: answers.read(name) for name in accuracy.DATA}, 1000)
    tokenizer = AutoTokenizer.from_pretrained(inputs / "tiny")
    model = AutoModelForCausalLM.from_pretrained(inputs / "tiny").eval()
    texts = answers.answer(model, tokenizer, [row["prompt"] for row in asked], most, 5, lambda: None)
    assert dict(zip([row["prompt"] for row in asked], texts, strict=True)) == expected
    assert len(set(texts)) > 1


def test_scores_are_counted_apart() -> None:
    data = {
        "gsm8k_test": [{"question": f"q{number}", "answer": "x #### 5"} for number in range(4)],
        "gsm_ic_2step": [
            {"original_question": "o", "new_question": f"n{number}", "answer": "5", "n_steps": 2} for number in range(2)
        ],
        "gsm_ic_mstep": [{"original_question": "p", "new_question": "m", "answer": "5", "n_steps": 3}],
    }
    asked = documents(data, 3)
    assert [row["set"] for row in asked] == ["gsm8k_test"] * 3 + ["gsm_ic_2step"] * 3 + ["gsm_ic_mstep"] * 2
    texts = ["#### 5", "5 is the answer", "#### 6", "#### 5", "#### 6", "#### 5", "#### 6", "#### 5"]
    assert {name: round(value or 0, 3) for name, value in scores(asked, texts).items()} == {
        "gsm8k_exact_match": 0.333, "gsm8k_robust_match": 0.667, "gsm8k_invalid": 0.333,
        "gsm_ic_exact_match": 0.667, "gsm_ic_robust_match": 0.667, "gsm_ic_invalid": 0.0, "gsm_ic_base_accuracy": 0.5,
    }  # fmt: skip


def test_the_arms_are_the_recipes() -> None:
    trainings = {name: arm.training() for name, arm in accuracy.ARMS.items()}
    assert {name: (each.epochs, each.masking.mask_ratio, each.masking.noise, each.batch) for name, each in trainings.items()} == {
        "SFT, 10 epochs": (10, 0, "mask", 64), "MFT, random 0.4": (10, 0.4, "random", 64),
        "MFT, mask 0.4": (10, 0.4, "mask", 64), "MFT, random 0.2": (10, 0.2, "random", 64),
        "SFT, 3 epochs": (3, 0, "mask", 64),
    }  # fmt: skip
    assert {each.learning_rate for each in trainings.values()} == {1e-4}
    batches = shuffled(10, 4, 2, 42)
    assert [sorted(chain(*epoch)) for epoch in batches] == [list(range(10))] * 2
    assert batches[0] != batches[1]


def test_the_timed_batches_are_full_and_masked() -> None:
    for sizes in (FULL, REHEARSAL):
        for layout in sizes.layouts.values():
            rows = random_rows(layout, sizes.llama["vocab_size"])
            batch = _batch(layout, rows)
            # The collator's multiple of 64.
            assert batch["input_ids"].shape[0] == layout.rows
            assert layout.sequence_len <= 64 or batch["input_ids"].shape[1] <= layout.sequence_len
            selected = masking_with("mask", sizes.llama["vocab_size"], torch.device("cpu")).select(batch, 0.4, 0)
            maskable = batch["mask_weight"] > 0
            assert torch.equal(maskable, batch["labels"] != -100)
            assert 0.2 < selected.sum() / maskable.sum() < 0.6
            if layout.packed:
                tokens = sum(len(row["input_ids"]) for row in rows[0])
                assert layout.sequence_len - 1 <= tokens <= layout.sequence_len
                assert (batch["position_ids"][0] == 0).sum() >= len(rows[0])


def test_packed_rows_count_their_positions_anew() -> None:
    rows = [[{"input_ids": [5, 6], "labels": [-100, 6]}, {"input_ids": [7, 8, 9], "labels": [-100, 8, 9]}]]
    batch = packed(rows, pad_token_id=0, sequence_len=7)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, -100, 8, 9, -100, -100]]
    assert batch["position_ids"].tolist() == [[0, 1, 0, 1, 2, 0, 1]]

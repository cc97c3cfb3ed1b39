"""Our pairs in Axolotl's own `rl: dpo`: what it reads, that it learns from them, and that it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.project import Project, Rows, write_jsonl
from support.small_tokenizers import byte_level, mistral, sentencepiece_like
from support.trained import identical, last_state, weights

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.masking.marks import IGNORE_INDEX
from axolotl_cotmask.prompt_strategies.gsm8k import ROW_FORMAT
from axolotl_cotmask.prompt_strategies.strategy import MarkedStrategy

#: What docs/augmentation.md gives as the data set of a DPO stage.
FIELDS = {"field_prompt": "prompt", "field_chosen": "chosen", "field_rejected": "rejected"}


def wrong(row: dict[str, Any], number: int) -> str:
    """A solution that ends in another answer."""
    solution, _, answer = row["answer"].rpartition("#### ")
    return f"{solution.replace(answer, str(int(answer) + number))}#### {int(answer) + number} {{not}} {{0}}"[:400]


def make_pairs(project: Project, rows: Rows, rule: str = "wrong") -> Path:
    """Pairs out of a wrong sample and a right one for each row, with literal braces in it."""
    sampled = [row | {"responses": [f" {row['answer']}", wrong(row, 3)]} for row in rows]
    file, made = write_jsonl(project.directory / "samples.jsonl", sampled), project.directory / f"{rule}.jsonl"
    arguments = ["augment", "pairs", str(file), "--rule", rule, "--test", "none", "--gsm-ic", "none", "-o", str(made)]
    result = CliRunner().invoke(cotmask, arguments)
    assert result.exit_code == 0, result.output
    return made


def dpo_config(project: Project, pairs: Path, name: str, **changes: Any) -> Path:
    return project.config(
        name,
        plugins=None,
        cotmask=None,
        rl="dpo",
        rl_beta=0.1,
        datasets=[{"path": str(pairs), "ds_type": "json", "split": "train", "type": FIELDS}],
        lr_scheduler="constant",
        **{"learning_rate": 5e-4, "num_epochs": 2, "save_strategy": "steps", "save_steps": 6, **changes},
    )


@pytest.mark.slow
def test_dpo_learns_from_the_pairs_and_goes_on_where_it_stopped(project: Project, gsm8k_rows: Rows) -> None:
    pairs = make_pairs(project, gsm8k_rows[:24])
    assert any("{not}" in row["rejected"] for row in read_jsonl(pairs))
    project.axolotl("train", dpo_config(project, pairs, "whole")).check()
    log = [entry for entry in last_state(project.directory / "whole")["log_history"] if "rewards/margins" in entry]
    assert len(log) == 12, "24 pairs, 4 a step, twice"
    losses, margins = ([entry[key] for entry in log] for key in ("loss", "rewards/margins"))
    assert losses[0] == pytest.approx(0.6931, abs=1e-3), "the model is its own reference"
    assert max(losses[-3:]) < losses[0]
    assert min(margins[-3:]) > 0.01 > abs(margins[0])
    assert log[-1]["rewards/accuracies"] > 0.5

    begun = project.directory / "whole" / "checkpoint-6"
    project.axolotl("train", dpo_config(project, pairs, "resumed", resume_from_checkpoint=str(begun))).check()
    assert identical(weights(project.directory / "whole"), weights(project.directory / "resumed"))


def test_a_plugin_in_a_dpo_config_names_the_way(project: Project, gsm8k_rows: Rows) -> None:
    pairs = make_pairs(project, gsm8k_rows[:4])
    config = dpo_config(project, pairs, "refused")
    text = config.read_text(encoding="utf-8")
    config.write_text(
        f"{text}plugins: [axolotl_cotmask.CoTMaskPlugin]\ncotmask: {{mask_ratio: 0.4}}\n", encoding="utf-8"
    )
    said = project.axolotl("train", config).sentence()
    assert said.startswith(
        "rl is set, and preference or reinforcement training has no single target, and is a stage of its own: "
    )
    assert "a config without the plugin that begins with the trained model (docs/augmentation.md)" in said


@pytest.mark.parametrize("make", [sentencepiece_like, byte_level, mistral])
def test_a_gold_solution_has_the_tokens_of_the_sft_stage(
    make: Callable[[], Any], project: Project, gsm8k_rows: Rows
) -> None:
    """As DPOTrainer tokenises a row: the prompt alone, and prompt, answer and EOS as one text."""
    tokenizer, rows = make(), gsm8k_rows[:8]
    strategy = MarkedStrategy(ROW_FORMAT, tokenizer, "train.jsonl", frozenset(), 4096, None)
    columns = {name: [row[name] for row in rows] for name in ("question", "answer")}
    trained = strategy.tokenize_rows(columns, list(range(len(rows))))
    of_sft = {
        tuple(ids): tuple(ids[: labels.count(IGNORE_INDEX)])
        for ids, labels in zip(trained["input_ids"], trained["labels"], strict=True)
    }
    of_dpo = {
        tuple(tokenizer(row["prompt"] + row["chosen"] + tokenizer.eos_token)["input_ids"]): tuple(
            tokenizer(row["prompt"])["input_ids"]
        )
        for row in read_jsonl(make_pairs(project, rows, "answer"))
    }
    assert of_dpo == of_sft, "the right sample is the gold solution"

"""LLM2LLM's loop to its end, as docs/augmentation.md writes it: two rounds, with a teacher behind a stub server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from datasets import load_from_disk
from support import recipe_files as recipes
from support.chat_stub import Body, chat_stub
from support.forked import Axolotl
from support.lm_eval_runs import EVALTASKS
from support.project import Rows, write_jsonl

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.files import read_jsonl

NAMES = ["Ann", "Ben", "Cem", "Dora", "Eve", "Finn", "Gus", "Hal"]
THINGS = ["rolls", "pens", "coins", "stamps", "shells", "plums", "cards", "nuts"]


def augment(*arguments: str | Path) -> str:
    """Run a command of the group, which must succeed."""
    result = CliRunner().invoke(cotmask, ["augment", *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.mark.slow
def test_two_rounds(
    tmp_path: Path, gsm8k_rows: Rows, tiny_model: Path, axolotl: Axolotl, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds, tests = gsm8k_rows[:4], write_jsonl(tmp_path / "tests.jsonl", gsm8k_rows[40:])
    (tmp_path / "seeds").mkdir()
    seed_file = write_jsonl(tmp_path / "seeds" / "gsm8k_train.jsonl", seeds)
    monkeypatch.setenv("COTMASK_DATA_DIR", str(seed_file.parent))
    rows, written = tmp_path / "rows.jsonl", []

    def teach(body: Body) -> str:
        if body["messages"][0]["role"] != "system":
            question = body["messages"][0]["content"].rpartition("\n\n")[2]
            return next(solution for asked, solution in written if asked == question)
        n = len(written)
        question = f"{NAMES[n]} has {n + 3} boxes of {n + 5} {THINGS[n]} and finds {n + 2} more. How many is that?"
        total = (n + 3) * (n + 5) + n + 2
        written.append((question, f"{(n + 3) * (n + 5)} + {n + 2} = {total}\n#### {total}"))
        return f"Question: {question}\nAnswer: {written[-1][1]}"

    with chat_stub(teach) as stub:
        teacher = ["--endpoint", stub.url, "--model", "t", "--concurrency", "1"]
        for number in (1, 2):
            where = tmp_path / f"round-{number}"
            data = {"gsm8k": seed_file, "query_response": rows}
            path = recipes.on_cpu("llm2llm/llama2-7b-mft", tiny_model, data, where)
            config = yaml.safe_load(path.read_text())
            if number == 1:
                del config["datasets"][1]
            path.write_text(yaml.safe_dump(config | {"dataset_prepared_path": str(where / "prepared"), "gradient_accumulation_steps": 1}))  # fmt: skip
            axolotl("train", path, cwd=where).check()
            [prepared] = [found.parent for found in (where / "prepared").rglob("dataset_info.json")]
            assert len(load_from_disk(str(prepared))) == len(seeds) + len(written), "seeds, and all rows so far"
            evaluation = [
                "--model_args", f"pretrained={where / 'out'},dtype=float32", "--device", "cpu", "--batch_size", "8",
                "--include_path", EVALTASKS, "--tasks", "cotmask_sample_gsm8k", "--gen_kwargs", "do_sample=False,temperature=0,max_gen_toks=4",
                "--log_samples", "--output_path", where / "scores",
            ]  # fmt: skip
            axolotl.lm_eval("run", "--model", "hf", *evaluation).check()
            hard, new, again, solved = (where / f"{name}.jsonl" for name in ("hard", "new", "again", "solved"))
            augment("hard", where / "scores", "--metric", "solved", "-o", hard, "--test", tests)
            assert [row["seed_question"] for row in read_jsonl(hard)] == [row["question"] for row in seeds]
            augment("ask", hard, "-o", new, *teacher, "--temperature", "1")
            augment("solve", new, "-o", again)
            augment("ask", again, "-o", solved, *teacher, "-n", "2", "--temperature", "0.7")
            answers = sorted([*tmp_path.glob("round-*/new.jsonl"), *tmp_path.glob("round-*/solved.jsonl")])
            report = json.loads(
                augment("merge", *answers, "-o", rows, "--seeds", seed_file, "--test", tests, "--json").splitlines()[0]
            )
            assert report["rows"] == len(written) == 4 * number, report
    assert {row["query"]: row["response"] for row in read_jsonl(rows)} == dict(written)

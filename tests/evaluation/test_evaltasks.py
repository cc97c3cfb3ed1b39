"""The lm-eval tasks, run by lm-eval: prompts, stops, metrics, group values, samples, and the errors a user sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import lm_eval
import pytest
from click.testing import CliRunner
from lm_eval.tasks import TaskManager
from support.forked import Run
from support.hermetic import RealData
from support.lm_eval_runs import evaluate, values
from support.project import write_jsonl
from support.scripted_lm import ScriptedLM

from axolotl_cotmask.cli.score import score
from axolotl_cotmask.data.prompts import alpaca_prompt

PROBLEMS = [
    {"question": "What is 1 + 1?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"},
    {"question": "What is {x}\n\ntimes 3?", "answer": "#### 1,200"},
    {"question": "What is 9?", "answer": "#### 9"},
    {"question": "What is 8?", "answer": "#### 8"},
]
GENERATIONS = [" so\n\nQuestion: #### 2", " #### 1200", " #### 10", " 8"]


def variant(base: str | None, distractor: str, answer: str, **labels: str) -> dict[str, Any]:
    question = f"{distractor} {base}"
    return {"original_question": base, "new_question": question, "answer": answer, "n_steps": 2, **labels}


def script(*answers: tuple[str, str]) -> ScriptedLM:
    return ScriptedLM({alpaca_prompt(question): text for question, text in answers})


def gsm8k_script() -> ScriptedLM:
    return script(*zip((row["question"] for row in PROBLEMS), GENERATIONS, strict=True))


# Two base problems in the two-step file (A, B) and a row whose base problem is not known, one (C) in the other.
TWO_STEP = [
    variant(None, "u", "5"),
    variant("A", "a1", "1,000"),
    variant("B", "b1", "2"),
    variant("A", "a2", "1000"),
    variant("B", "b2", "2"),
]
MORE_STEP = [variant("C", "c1", "3")]


def gsm_ic_script() -> ScriptedLM:
    return script(
        ("A", "#### 1000"),
        ("B", "#### 0"),
        ("C", "#### 3"),
        ("u None", "#### 5"),
        ("a1 A", "#### 1,000"),
        ("a2 A", "#### 7"),
        ("b1 B", "#### 2"),
        ("b2 B", "#### 2"),
        ("c1 C", "three, which is 3"),
    )


@pytest.fixture
def gsm_ic(data: Path) -> Path:
    write_jsonl(data / "gsm_ic_2step_1k.jsonl", TWO_STEP)
    write_jsonl(data / "gsm_ic_mstep_1k.jsonl", MORE_STEP)
    return data


def test_gsm8k_asks_the_papers_prompt_greedily_and_without_stop_strings(data: Path, tasks: TaskManager) -> None:
    write_jsonl(data / "gsm8k_test.jsonl", PROBLEMS)
    model = gsm8k_script()
    evaluate(model, "cotmask_gsm8k", tasks)
    assert [request.args for request in model.requests] == [
        (alpaca_prompt(row["question"]), {"do_sample": False, "max_gen_toks": 512, "until": []}) for row in PROBLEMS
    ]
    assert all(request.args[0].endswith("\n\n### Response:") for request in model.requests)


@pytest.mark.parametrize(
    ("options", "beginning", "end"),
    [({}, "<s>user:What is 1 + 1?</s>", "</s>assistant:"), ({"enable_thinking": False}, "<|im_start|>user\n", "<think>\n\n</think>\n\n")],
    ids=["plain", "Qwen3"],
)  # fmt: skip
def test_the_chat_task_asks_what_the_chat_strategy_trains(
    data: Path, tasks: TaskManager, tiny_model: Path, options: dict[str, Any], beginning: str, end: str
) -> None:
    from axolotl.utils.chat_templates import get_chat_template
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from axolotl_cotmask.prompt_strategies.gsm8k_chat import chat_prompt

    write_jsonl(data / "gsm8k_test.jsonl", PROBLEMS)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = (
        "{{ '<s>' }}{% for m in messages %}{{ m['role'] + ':' + m['content'] + '</s>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
    )
    if options:
        tokenizer.chat_template = get_chat_template("qwen3")
    pretrained = AutoModelForCausalLM.from_pretrained(tiny_model)
    model = HFLM(pretrained, tokenizer=tokenizer, device="cpu", batch_size=4, **options)
    results = lm_eval.simple_evaluate(
        model, tasks=["cotmask_gsm8k_chat"], task_manager=tasks, apply_chat_template=True, gen_kwargs="max_gen_toks=2"
    )
    asked = [sample["arguments"][0][0] for sample in results["samples"]["cotmask_gsm8k_chat"]]
    assert asked == [chat_prompt(tokenizer, row["question"], **options) for row in PROBLEMS]
    assert asked[0].startswith(beginning)
    assert asked[0].endswith(end)


def test_gsm8k_metrics(data: Path, tasks: TaskManager) -> None:
    write_jsonl(data / "gsm8k_test.jsonl", PROBLEMS)
    results = evaluate(gsm8k_script(), "cotmask_gsm8k", tasks)
    assert values(results, "cotmask_gsm8k") == {"exact_match": 0.5, "robust_match": 0.5, "invalid": 0.25}
    # Standard error of 1, 1, 0, 0: sqrt(1/3) / sqrt(4).
    assert results["results"]["cotmask_gsm8k"]["exact_match_stderr,none"] == pytest.approx(0.288675)


def test_gsm_ic_metrics_by_hand(gsm_ic: Path, tasks: TaskManager) -> None:
    results = evaluate(gsm_ic_script(), "cotmask_gsm_ic", tasks)
    assert values(results, "cotmask_gsm_ic_2step") == {
        "exact_match": 4 / 5,  # all but a2
        "robust_match": 4 / 5,
        "invalid": 0.0,
        "macro_accuracy": 1 / 2,  # B, not A
        "base_accuracy": 1 / 2,  # A, not B
        "normalised_accuracy": (3 / 4) / (1 / 2),  # without the row whose base problem is not known
    }
    assert values(results, "cotmask_gsm_ic_mstep") == {
        "exact_match": 0.0,
        "robust_match": 1.0,  # without the mark, but with the number
        "invalid": 1.0,
        "macro_accuracy": 0.0,
        "base_accuracy": 1.0,
        "normalised_accuracy": 0.0,
    }
    # Over all documents: neither the mean of the two tasks nor one weighted by their sizes.
    assert values(results, "cotmask_gsm_ic") == {
        "exact_match": pytest.approx(4 / 6),
        "robust_match": pytest.approx(5 / 6),
        "invalid": pytest.approx(1 / 6),
        "macro_accuracy": pytest.approx(1 / 3),
        "base_accuracy": pytest.approx(2 / 3),
        "normalised_accuracy": pytest.approx((3 / 5) / (2 / 3)),
    }


def test_gsm_ic_asks_each_base_problem_once_before_its_variants(gsm_ic: Path, tasks: TaskManager) -> None:
    model = gsm_ic_script()
    evaluate(model, "cotmask_gsm_ic_2step", tasks)
    asked = ["u None", "A", "a1 A", "B", "b1 B", "a2 A", "b2 B"]
    assert [request.args[0] for request in model.requests] == [alpaca_prompt(question) for question in asked]
    assert [request.doc["is_base"] for request in model.requests] == [False, True, False, True, False, False, False]
    assert [request.doc["base_id"] for request in model.requests] == [None, 0, 0, 1, 1, 0, 1]


def test_every_document_returns_the_same_metrics(gsm_ic: Path, tasks: TaskManager) -> None:
    samples = evaluate(gsm_ic_script(), "cotmask_gsm_ic_2step", tasks)["samples"]["cotmask_gsm_ic_2step"]
    assert len({tuple(sample["metrics"]) for sample in samples}) == 1, "lm-eval gathers ranks metric by metric"


def test_breakdowns_by_label(data: Path, tasks: TaskManager) -> None:
    def labels(role: str, number: str, sentence: str) -> dict[str, str]:
        return {"role_label": role, "number_label": number, "sentence_label": sentence}

    two_step = [
        variant("A", "a1", "1", **labels("overlapped", "in_range", "in_topic")),
        variant("A", "a2", "1", **labels("overlapped", "out_range", "in_topic")),
        variant("A", "a3", "1", **labels("nonoverlapped", "n/a", "in_topic")),
    ]
    more_step = [
        variant("C", "c1", "1", **labels("overlapped", "in_range", "in_topic")),
        variant("C", "c2", "1", **labels("nonoverlapped", "out_range", "out_topic")),
    ]
    write_jsonl(data / "gsm_ic_2step_1k.jsonl", two_step)
    write_jsonl(data / "gsm_ic_mstep_1k.jsonl", more_step)
    right, wrong = "#### 1", "#### 0"
    model = script(
        ("A", right), ("a1 A", right), ("a2 A", wrong), ("a3 A", right), ("C", wrong), ("c1 C", right), ("c2 C", right)
    )
    results = evaluate(model, "cotmask_gsm_ic", tasks)
    two = values(results, "cotmask_gsm_ic_2step")
    assert two["exact_match_overlapped"] == 1 / 2
    assert two["exact_match_nonoverlapped"] == 1.0
    assert two["exact_match_in_range"] == 1.0
    assert two["exact_match_out_range"] == 0.0
    assert two["exact_match_in_topic"] == pytest.approx(2 / 3)
    assert two["exact_match_out_topic"] is None, "no document carries the label"
    group = values(results, "cotmask_gsm_ic")
    assert group["exact_match_overlapped"] == pytest.approx(2 / 3)
    assert group["exact_match_out_range"] == 1 / 2
    assert group["exact_match_out_topic"] is None
    assert values(results, "cotmask_gsm_ic_mstep")["normalised_accuracy"] is None, "no base problem is right"
    assert group["normalised_accuracy"] is None
    json.dumps(results["results"], allow_nan=False)


def test_real_gsm_ic_needs_no_bootstrap(
    real_data: RealData, tasks: TaskManager, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real_data.needs("gsm_ic_2step_1k.jsonl", "gsm_ic_mstep_1k.jsonl")
    monkeypatch.setenv("COTMASK_DATA_DIR", str(real_data))

    class Zero(ScriptedLM):
        def generate_until(self, requests: list[Any]) -> list[str]:
            return ["#### 0"] * len(requests)

    results = evaluate(Zero({}), "cotmask_gsm_ic", tasks)
    assert "bootstrapping" not in capsys.readouterr().out
    samples = results["samples"]
    documents = [sample["doc"] for name in ("2step", "mstep") for sample in samples[f"cotmask_gsm_ic_{name}"]]
    assert sum(document["is_base"] for document in documents) == 100
    assert sum(not document["is_base"] for document in documents) == 2000
    assert sum(document["base_id"] is None for document in documents) == 3
    assert values(results, "cotmask_gsm_ic").keys() == {
        "exact_match", "robust_match", "invalid", "macro_accuracy", "base_accuracy", "normalised_accuracy"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"question": "q", "ans', r"gsm8k_test\.jsonl, line 2: not a complete JSON object"),
        ('{"question": "q"}', r"gsm8k_test\.jsonl, line 2: the field 'answer' is missing \(there are: question\)"),
        ('{"question": null, "answer": "1"}', r"gsm8k_test\.jsonl, line 2: the field 'question' is null"),
        ('{"question": "q", "answer": 1}', r"gsm8k_test\.jsonl: a field changes its type between rows"),
        (
            '{"question": "q", "answer": "x"}',
            r"gsm8k_test, row 2: the rule gsm8k_hash reads no answer from the gold 'x'",
        ),
    ],
)
def test_broken_data_stop_before_generation(data: Path, tasks: TaskManager, line: str, sentence: str) -> None:
    (data / "gsm8k_test.jsonl").write_text(json.dumps(PROBLEMS[0]) + "\n" + line, encoding="utf-8")
    with pytest.raises(SystemExit, match=f"^\naxolotl-cotmask: .*{sentence}"):
        evaluate(ScriptedLM({}), "cotmask_gsm8k", tasks)


def test_missing_and_empty_files(data: Path, tasks: TaskManager) -> None:
    with pytest.raises(SystemExit, match=r"gsm8k_test\.jsonl is not in it"):
        evaluate(ScriptedLM({}), "cotmask_gsm8k", tasks)
    (data / "gsm8k_test.jsonl").touch()
    with pytest.raises(SystemExit, match=r"gsm8k_test\.jsonl holds no rows"):
        evaluate(ScriptedLM({}), "cotmask_gsm8k", tasks)


def test_variants_of_one_base_problem_with_different_answers(data: Path, tasks: TaskManager) -> None:
    write_jsonl(data / "gsm_ic_2step_1k.jsonl", [variant("A", "a1", "1,000"), variant("A", "a2", "1001")])
    with pytest.raises(SystemExit, match="gsm_ic_2step, row 2: the answer is 1001, and 1,000 in an earlier row"):
        evaluate(ScriptedLM({}), "cotmask_gsm_ic_2step", tasks)


def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    code = "from axolotl_cotmask.data.sources import load; load('gsm8k_test')"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "CoTMaskError: openai/gsm8k could not be loaded" in run.stderr
    assert "set COTMASK_DATA_DIR to a directory that holds gsm8k_test.jsonl" in run.stderr


def test_command_line_error_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., Run]
) -> None:
    monkeypatch.setenv("COTMASK_DATA_DIR", "/nope")
    generations = tmp_path / "generations.json"
    generations.write_text("{}", encoding="utf-8")
    run = scripted("--model_args", f"generations={generations}", "--tasks", "cotmask_gsm8k")
    assert run.status == 1
    assert "Traceback" not in run.output
    assert run.output.splitlines()[-1] == (
        "axolotl-cotmask: COTMASK_DATA_DIR is /nope, and there is no such directory: "
        "create it, or unset COTMASK_DATA_DIR to use the hub"
    )


def test_logged_samples_can_be_scored_again(gsm_ic: Path, tmp_path: Path, scripted: Callable[..., Run]) -> None:
    write_jsonl(gsm_ic / "gsm8k_test.jsonl", PROBLEMS)
    generations = tmp_path / "generations.json"
    generations.write_text(json.dumps({**gsm8k_script().generations, **gsm_ic_script().generations}), encoding="utf-8")
    output = tmp_path / "results"
    run = scripted(
        *("--model_args", f"generations={generations}", "--tasks", "cotmask_gsm8k,cotmask_gsm_ic"),
        *("--log_samples", "--output_path", output),
    ).check()
    assert "normalised_accuracy" in run.output

    def scored(task: str) -> dict[str, float]:
        (samples,) = output.glob(f"*/samples_{task}_*.jsonl")
        fields = ["--prediction-field", "filtered_resps", "--gold-field", "target", "--json"]
        result = CliRunner().invoke(score, [str(samples), "--rule", "gsm8k_hash", *fields])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    assert scored("cotmask_gsm8k") == {"n": 4, "correct": 2, "invalid": 1, "accuracy": 0.5}
    # Five variants and two base problems.
    assert scored("cotmask_gsm_ic_2step") == {"n": 7, "correct": 5, "invalid": 0, "accuracy": 5 / 7}


def chain_llama(successors: dict[str, str]) -> Any:
    """A Llama with lm-eval's hf backend around it that answers each token with its successor, whatever came before.

    Its layers add nothing to the one-hot embedding of the last token, and the output matrix maps that to the successor.
    """
    import torch
    from lm_eval.models.huggingface import HFLM
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = [
        "<unk>",
        "<s>",
        "</s>",
        *dict.fromkeys([*successors, *successors.values(), *map(chr, range(32, 127)), "\n"]),
    ]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n\n|Question:|#### |.|\n"), behavior="isolated")
    inner.decoder = decoders.Fuse()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )
    width = len(vocabulary) + len(vocabulary) % 2
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=width,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=1024,
            bos_token_id=vocabulary["<s>"],
            eos_token_id=vocabulary["</s>"],
        )
    )
    with torch.no_grad():
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(vocabulary), width))
        model.lm_head.weight.zero_()
        for word, successor in successors.items():
            model.lm_head.weight[vocabulary[successor], vocabulary[word]] = 1.0
    return HFLM(pretrained=model, tokenizer=tokenizer, device="cpu", batch_size=2)


def test_hf_backend_gets_one_bos_and_stops_only_at_eos(data: Path, tasks: TaskManager) -> None:
    write_jsonl(data / "gsm8k_test.jsonl", [{"question": f"Why {n}?", "answer": "#### 72"} for n in (1, 22)])
    chain = [":", "\n\n", "Question:", "#### ", "7", "2", "</s>"]
    model = chain_llama(dict(pairwise(chain)))
    seen: list[list[list[int]]] = []
    model.model.model.embed_tokens.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].tolist()))
    results = evaluate(model, "cotmask_gsm8k", tasks)
    assert values(results, "cotmask_gsm8k") == {"exact_match": 1.0, "robust_match": 1.0, "invalid": 0.0}
    samples = results["samples"]["cotmask_gsm8k"]
    assert [sample["filtered_resps"] for sample in samples] == [["\n\nQuestion:#### 72"]] * 2
    assert [row.count(model.tokenizer.bos_token_id) for row in seen[0]] == [1, 1]
    assert model.tokenizer.convert_ids_to_tokens(seen[0][0])[-1] == ":"


def test_hf_backend_generates_512_tokens(data: Path, tasks: TaskManager) -> None:
    write_jsonl(data / "gsm8k_test.jsonl", [{"question": "Why?", "answer": "#### 72"}])
    model = chain_llama({":": " ", " ": "a", "a": "b", "b": "a"})
    results = evaluate(model, "cotmask_gsm8k", tasks)
    (generation,) = results["samples"]["cotmask_gsm8k"][0]["filtered_resps"]
    assert generation == " " + "ab" * 255 + "a"
    assert values(results, "cotmask_gsm8k") == {"exact_match": 0.0, "robust_match": 0.0, "invalid": 1.0}

"""Rows to token ids, labels and marks: the paper's prompt, to the token, for the two families of tokenizers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from datasets import Dataset
from support.project import Rows
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.prompt_strategies import gsm8k, instruction_output, query_response
from axolotl_cotmask.prompt_strategies.strategy import MarkedStrategy, RowFormat

PROMPT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nHow many?\n\n### Response:"
)
PROMPT_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nAdd.\n\n### Input:\n1, {2}\n\n### Response:"
)


def build_tokenizer(family: str, texts: list[str]) -> PreTrainedTokenizerFast:
    special = ["<unk>", "<s>", "</s>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    digits = pre_tokenizers.Digits(individual_digits=True)
    if family == "sentencepiece-like":  # Llama-2 and Mistral: a space is put before the text
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="first"), digits])
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
        alphabet = []
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False))  # fmt: skip
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


@pytest.fixture(scope="module", params=["sentencepiece-like", "byte-level"])
def tokenizer(request: pytest.FixtureRequest, gsm8k_rows: Rows) -> PreTrainedTokenizerFast:
    return build_tokenizer(request.param, [alpaca_prompt(row["question"]) + " " + row["answer"] for row in gsm8k_rows])


def strategy(tokenizer: Any, row_format: RowFormat = gsm8k.ROW_FORMAT, **changes: Any) -> MarkedStrategy:
    settings = {"protect": frozenset(), "sequence_len": 512, "excess_length_strategy": None, **changes}
    return MarkedStrategy(row_format=row_format, tokenizer=tokenizer, dataset_path="rows.jsonl", **settings)


def prepare(rows: Rows, tokenizer: Any, row_format: RowFormat = gsm8k.ROW_FORMAT, **changes: Any) -> Dataset:
    return strategy(tokenizer, row_format, **changes).wrap_dataset(Dataset.from_list(rows))


def split(sample: dict[str, Any]) -> tuple[list[int], list[int]]:
    start = next(i for i, label in enumerate(sample["labels"]) if label != -100)
    assert sample["labels"][start:] == sample["input_ids"][start:]
    assert set(sample["labels"][:start]) == {-100}
    return sample["input_ids"][:start], sample["input_ids"][start:]


def test_the_prompts_are_the_papers() -> None:
    assert alpaca_prompt("How many?") == PROMPT
    assert alpaca_prompt("Add.", "1, {2}") == PROMPT_WITH_INPUT


def test_gsm8k_rows(tokenizer: PreTrainedTokenizerFast, gsm8k_rows: Rows) -> None:
    samples = prepare(gsm8k_rows, tokenizer)
    assert samples.column_names == ["input_ids", "attention_mask", "labels", "mask_weight"]
    for row, sample in zip(gsm8k_rows, samples, strict=True):
        text = alpaca_prompt(row["question"]) + " " + row["answer"]
        assert sample["input_ids"] == [*tokenizer(text)["input_ids"], tokenizer.eos_token_id], "tokenised jointly"
        assert sample["attention_mask"] == [1] * len(sample["input_ids"])
        prompt, target = split(sample)
        assert prompt == tokenizer(alpaca_prompt(row["question"]))["input_ids"]
        assert tokenizer.decode(target).strip() == row["answer"] + "</s>"
        assert sample["mask_weight"] == [0.0] * len(prompt) + [1.0] * len(target), "every target token, EOS included"


def test_the_target_is_what_the_authors_count_from_the_end(gsm8k_rows: Rows) -> None:
    # Their code tokenises the target alone and takes as many tokens from the end of the joint sequence.
    tokenizer = build_tokenizer("sentencepiece-like", [row["answer"] for row in gsm8k_rows])
    rows = [
        *gsm8k_rows,
        {"question": "q", "answer": "12/2 = <<12/2=6>>6\n#### 6"},
        {"question": "q", "answer": "#### 6"},
    ]
    for row, sample in zip(rows, prepare(rows, tokenizer), strict=True):
        alone = tokenizer(row["answer"], add_special_tokens=False)["input_ids"]
        assert split(sample)[1] == [*alone, tokenizer.eos_token_id]


def test_boundary_tokens_are_pinned(tokenizer: PreTrainedTokenizerFast) -> None:
    sample = prepare([{"question": "How many?", "answer": "48*2 = <<48*2=96>>96\n#### 96"}], tokenizer)[0]
    prompt, target = split(sample)
    first = {"▁": ["▁", "4", "8", "*"], "Ġ": ["Ġ", "4", "8", "*"]}
    tokens = tokenizer.convert_ids_to_tokens(target)
    assert tokens[:4] == first[tokens[0]], "the space after `### Response:` is the first target token before a digit"
    assert tokenizer.convert_ids_to_tokens(prompt)[0] == "<s>"
    assert tokenizer.convert_ids_to_tokens(prompt)[-1].endswith(":")
    assert tokens[-4:] == [tokens[0], "9", "6", "</s>"]


@pytest.mark.parametrize(
    ("protect", "kept"), [(["final_answer"], " #### 6"), (["eos"], "</s>"), (["final_answer", "eos"], "#### 6</s>")]
)
def test_protected_tokens_weigh_nothing(tokenizer: PreTrainedTokenizerFast, protect: list[str], kept: str) -> None:
    rows = [{"question": "q", "answer": "1+2+3=<<1+2+3=6>>6\n#### 6"}]
    sample = prepare(rows, tokenizer, protect=frozenset(protect))[0]
    prompt, target = split(sample)
    weights = sample["mask_weight"][len(prompt) :]
    assert set(weights) == {0.0, 1.0}
    assert tokenizer.decode([t for t, w in zip(target, weights, strict=True) if w == 0]).strip() == kept.strip()


def test_query_response_and_instruction_output(tokenizer: PreTrainedTokenizerFast) -> None:
    target = tokenizer("How many? x: 7")["input_ids"]
    rft = prepare([{"query": "How many?", "response": "7"}], tokenizer, query_response.ROW_FORMAT)[0]
    assert rft["input_ids"] == [*tokenizer(PROMPT + " 7")["input_ids"], tokenizer.eos_token_id]
    assert rft["input_ids"][-2] == target[-1]
    rows = [
        {"instruction": "How many?", "input": None, "output": "7"},
        {"instruction": "Add.", "input": "1, {2}", "output": "3"},
    ]
    bare, with_input = prepare(rows, tokenizer, instruction_output.ROW_FORMAT)
    assert bare["input_ids"] == rft["input_ids"]
    assert with_input["input_ids"] == [*tokenizer(PROMPT_WITH_INPUT + " 3")["input_ids"], tokenizer.eos_token_id]
    no_input_column = prepare([{"instruction": "How many?", "output": "7"}], tokenizer, instruction_output.ROW_FORMAT)[
        0
    ]
    assert no_input_column["input_ids"] == rft["input_ids"]


@pytest.mark.parametrize("output", ["", "  "])
def test_an_empty_output_of_alpaca_is_learnt_as_the_end(tokenizer: PreTrainedTokenizerFast, output: str) -> None:
    rows = [{"instruction": "How many?", "output": text} for text in ("7", output)]
    said, nothing = prepare(rows, tokenizer, instruction_output.ROW_FORMAT)
    prompt, target = split(nothing)
    assert prompt == split(said)[0][: len(prompt)]
    assert tokenizer.decode(target[:-1]).strip() == ""
    assert target[-1] == tokenizer.eos_token_id
    for row in ({"instruction": "", "output": "7"}, {"instruction": "How many?", "output": None}):
        with pytest.raises(CoTMaskError, match=r"row 1: the field '(instruction|output)' is (empty|missing)"):
            prepare([row], tokenizer, instruction_output.ROW_FORMAT)
    with pytest.raises(CoTMaskError, match="the field 'response' is empty"):
        prepare([{"query": "How many?", "response": output}], tokenizer, query_response.ROW_FORMAT)


def test_a_tokenizer_without_offsets_gives_the_same(tokenizer: PreTrainedTokenizerFast, gsm8k_rows: Rows) -> None:
    class WithoutOffsets:
        is_fast = False
        eos_token_id = tokenizer.eos_token_id

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return {"input_ids": tokenizer(*args, **kwargs)["input_ids"]}

    protect = frozenset({"final_answer"})
    expected = prepare(gsm8k_rows, tokenizer, protect=protect)
    result = prepare(gsm8k_rows, WithoutOffsets(), protect=protect)
    assert result[:] == expected[:]


def test_eos_is_there_once_when_the_tokenizer_adds_it_too(gsm8k_rows: Rows) -> None:
    tokenizer = build_tokenizer("byte-level", [row["answer"] for row in gsm8k_rows])
    expected = prepare(gsm8k_rows, tokenizer)[:]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert prepare(gsm8k_rows, tokenizer)[:] == expected


def test_long_rows(tokenizer: PreTrainedTokenizerFast, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"question": "q", "answer": "#### 1"}, {"question": "why " * 200, "answer": "#### 1"}]
    with pytest.raises(CoTMaskError, match=r"rows\.jsonl, row 2: the example has \d+ tokens, and sequence_len is 100"):
        prepare(rows, tokenizer, sequence_len=100)
    assert len(prepare(rows, tokenizer, sequence_len=100, excess_length_strategy="drop")) == 2, (
        "Axolotl drops them later"
    )
    kept = prepare(rows, tokenizer, sequence_len=100, excess_length_strategy="truncate")
    assert kept[:] == prepare(rows[:1], tokenizer)[:], "of the other row no target would be left"
    assert re.search(r"rows\.jsonl, row 2: left out, since the prompt alone has \d+ tokens", caplog.text)


def test_a_protected_answer_that_is_not_there(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"query": "q", "response": "seven"}]
    with pytest.raises(CoTMaskError, match="row 1: protect names final_answer, and the target has no `####`"):
        prepare(rows, tokenizer, query_response.ROW_FORMAT, protect=frozenset({"final_answer"}))


def test_all_of_real_gsm8k(real_data: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    from axolotl_cotmask.common.files import read_jsonl

    rows = list(read_jsonl(real_data / "gsm8k_train.jsonl"))
    samples = prepare(rows, tokenizer, sequence_len=4096)
    assert len(samples) == 7473
    for row, sample in zip(rows[:300], samples.select(range(300)), strict=True):
        assert tokenizer.decode(split(sample)[1], skip_special_tokens=True).strip() == tokenizer.decode(
            tokenizer(row["answer"].strip())["input_ids"], skip_special_tokens=True
        )

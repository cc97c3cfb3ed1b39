"""Every data format to the token: pinned ids, the boundary as the paper's scripts count it, MATH's cut, chat templates."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from axolotl.utils.chat_templates import get_chat_template
from axolotl.utils.dict import DictDefault
from datasets import Dataset, load_from_disk
from sentencepiece import SentencePieceProcessor
from support.project import Project
from support.small_tokenizers import byte_level, mistral, mistral_model_file, sentencepiece_like
from tokenizers import processors

from axolotl_cotmask.common.files import read_jsonl
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.training.preparation import describe_datasets

GOLDEN = json.loads((Path(__file__).parent / "golden_prompts.json").read_text(encoding="utf-8"))
TOKENIZERS = {"sentencepiece-like": sentencepiece_like, "byte-level": byte_level, "mistral": mistral}
#: Each data set begins with a hash over its tokenizer, which takes three seconds for 32,000 tokens.
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "mistral" else name for name in TOKENIZERS]

# The paper's texts once more, so that a change of the product's own shows.
BARE = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n{}\n\n### Response:"
WITH_INPUT = "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n{}\n\n### Input:\n{}\n\n### Response:"

# What a response may begin with: each kind of sign, letter, digit and space.
RESPONSES = [
    *["x", "If", "The answer", "apples", "7", "12 apples", "1234", "-1", "1+2"],
    *[
        "\\[x\\]",
        "\\frac12",
        "\\",
        ":)",
        "://",
        "::",
        ":",
        ": x",
        "//",
        "/",
        "**x**",
        "*",
        "$x$",
        "$$",
        "(a)",
        "(",
        ")",
    ],
    *["#### 6", "<<1+2=3>>", ".", ",", "'s", '"', "{", "}", "_", "=", "?", "!", "~", "[", "]", "`a`", "@", "%", "&"],
    *["\n7", "\n\nx", "\tx", "\r\nx", "\u00a0x", "\u3000x", "\u200bx", "\u2028x"],
    *["😀 yes", "👩\u200d👩\u200d👧", "数学", "学", "é", "e\u0301", "Ωx", "−1", "“x”", "→"],
]
SPACED = [" x", "  x", " 7", " \\[x\\]", " \n7"]


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    return {name: build() for name, build in TOKENIZERS.items()}


def load(kind: str, tokenizer: Any, protect: list[str] | None = None, **settings: Any) -> Any:
    """What Axolotl calls for a data set of this type."""
    name = f"axolotl_cotmask.prompt_strategies.{kind}"
    entry = {"path": "rows.jsonl", "type": name, "protect": protect}
    cfg = DictDefault({"sequence_len": 4096, "cotmask": {"mask_ratio": 0.4}, "datasets": [entry], **settings})
    # As the plugin does when it is registered.
    describe_datasets(cfg, parse_config(cfg.cotmask))
    return import_module(name).load(tokenizer, cfg, cfg.datasets[0])


def prepare(kind: str, tokenizer: Any, rows: list[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    return list(load(kind, tokenizer, **settings).wrap_dataset(Dataset.from_list(rows)))


def boundary(sample: dict[str, Any]) -> int:
    """How many tokens carry no loss; all of them come first, the labels of the others are their ids."""
    count = sample["labels"].count(-100)
    assert sample["labels"] == [-100] * count + sample["input_ids"][count:]
    return count


def count_of_prompt(tokenizer: Any, prompt: str, response: str) -> tuple[list[int], int]:
    """The authors' MetaMath and MAmmoTH scripts: joint ids, and the number of tokens of the prompt alone."""
    return tokenizer(prompt + response)["input_ids"] + [tokenizer.eos_token_id], len(tokenizer(prompt)["input_ids"])


def count_from_end(tokenizer: Any, prompt: str, target: str) -> tuple[list[int], int]:
    """The authors' GSM8K, MATH and RFT scripts: joint ids, less the tokens of the target alone and EOS."""
    ids = tokenizer(prompt + " " + target)["input_ids"] + [tokenizer.eos_token_id]
    return ids, len(ids) - len(tokenizer(target, add_special_tokens=False)["input_ids"]) - 1


@pytest.mark.parametrize("case", GOLDEN, ids=[f"{case['tokenizer']}: {case['what']}" for case in GOLDEN])
def test_pinned_tokens(case: dict[str, Any], tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers[case["tokenizer"]]
    (sample,) = prepare(case["type"], tokenizer, [case["row"]], protect=case.get("protect"))
    # Tokens tell more than ids. `python tests/support/pin_prompt.py` prints them anew; CHANGELOG.md has to say so.
    tokens, start = tokenizer.convert_ids_to_tokens(sample["input_ids"]), boundary(sample)
    assert " ".join(tokens[:start]) == case["prompt_tokens"]
    assert " ".join(tokens[start:]) == case["target_tokens"]
    assert sample["input_ids"] == case["prompt"] + case["target"]
    assert start == case["boundary"] == len(case["prompt"])
    assert sample["mask_weight"] == case["mask_weight"]
    assert sample["attention_mask"] == [1] * len(sample["input_ids"])


def test_all_formats_are_pinned_for_both_tokenizers() -> None:
    formats = {"gsm8k", "math", "query_response", "instruction_output", "metamath", "mathinstruct"}
    for name in ("sentencepiece-like", "byte-level"):
        assert {case["type"] for case in GOLDEN if case["tokenizer"] == name} == formats


def test_the_real_tokenizer_is_sentencepieces(tokenizers: dict[str, Any]) -> None:
    reference = SentencePieceProcessor(model_file=mistral_model_file())
    for response in [*RESPONSES, "\\frac{1}{2} + 0.5 = 1\n#### 1,234", "x  =  y", "# a\n    return 1"]:
        for text in (response, BARE.format("How many 数 😀?") + response):
            assert tokenizers["mistral"](text)["input_ids"] == [1, *reference.encode(text)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["metamath", "mathinstruct"])
def test_without_a_space_the_prompt_alone_is_counted(name: str, kind: str, tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers[name]
    fields = ("query", "response") if kind == "metamath" else ("instruction", "output")
    pairs = list(product(("How many apples?", "q:", "数 é \\[x\\]"), [*RESPONSES, *SPACED]))
    samples = prepare(kind, tokenizer, [dict(zip(fields, pair, strict=True)) for pair in pairs])
    for (question, response), sample in zip(pairs, samples, strict=True):
        expected = count_of_prompt(tokenizer, BARE.format(question), response)
        assert (sample["input_ids"], boundary(sample)) == expected, response


@pytest.mark.slow
def test_each_token_of_mistral_that_can_span_the_boundary(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["mistral"]
    prompt = BARE.format("q")
    # A token with a colon and something after it: its part after the colon may begin a response.
    rests = [token.partition(":")[2].replace("▁", " ") for token in tokenizer.get_vocab() if ":" in token[:-1]]
    rests = [rest for rest in rests if rest.strip()]
    spanning = 0
    for rest, sample in zip(rests, prepare("metamath", tokenizer, [{"query": "q", "response": rest} for rest in rests]), strict=True):  # fmt: skip
        ids, count = count_of_prompt(tokenizer, prompt, rest)
        assert (sample["input_ids"], boundary(sample)) == (ids, count), rest
        last = tokenizer.convert_ids_to_tokens(ids[count - 1])
        assert last.startswith(":")
        spanning += last != ":"
    assert spanning > 10, "the case occurs"


@pytest.mark.parametrize("kind", ["gsm8k", "math", "query_response", "instruction_output"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "byte-level"])
def test_after_a_space_the_target_alone_is_counted(name: str, kind: str, tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers[name]
    fields = import_module(f"axolotl_cotmask.prompt_strategies.{kind}").ROW_FORMAT.required
    targets = [f"{response}\n#### 6" for response in RESPONSES]
    rows = [dict(zip(fields, ("How many apples?", target), strict=True)) for target in targets]
    for target, sample in zip(targets, prepare(kind, tokenizer, rows), strict=True):
        expected = count_from_end(tokenizer, BARE.format("How many apples?"), target)
        assert (sample["input_ids"], boundary(sample)) == expected, target


def test_counting_from_the_end_assumes_the_dummy_space(tokenizers: dict[str, Any]) -> None:
    # The target alone then begins with `▁`, as it does after the prompt. A byte-level tokenizer puts nothing before it:
    # the authors' count misses the space, or takes some of the prompt, where the target alone falls into more tokens.
    tokenizer = tokenizers["byte-level"]
    prompt = BARE.format("How many apples?")
    differences = set()
    rows = [{"query": "How many apples?", "response": target} for target in RESPONSES]
    for target, sample in zip(RESPONSES, prepare("query_response", tokenizer, rows), strict=True):
        ids, authors = count_from_end(tokenizer, prompt, target)
        ours = boundary(sample)
        assert (sample["input_ids"], ours) == (ids, len(tokenizer(prompt)["input_ids"])), target
        assert tokenizer.decode(ids[ours:-1]) == " " + target
        differences.add("misses the space" if authors == ours + 1 else "takes some of the prompt" if authors < ours else "agrees")  # fmt: skip
    assert differences == {"misses the space", "takes some of the prompt", "agrees"}


@pytest.mark.parametrize("kind", ["query_response", "metamath"])
def test_trimmed_offsets_change_nothing(kind: str, tokenizers: dict[str, Any]) -> None:
    # Llama-3's tokenizer counts the space of `Ġ12`, and a `Ġ` that stands alone, to no character.
    trimming = byte_level()
    trimming.backend_tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])]
    )
    rows = [{"query": "How many apples?", "response": target} for target in (*RESPONSES, *SPACED)]
    assert prepare(kind, trimming, rows) == prepare(kind, tokenizers["byte-level"], rows)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "byte-level"])
def test_a_target_that_begins_with_a_space_of_its_own(name: str, tokenizers: dict[str, Any]) -> None:
    # transformers puts no dummy space before a text that begins with a space, so that the authors' count may take
    # one token less. For us both spaces are target.
    tokenizer = tokenizers[name]
    prompt = BARE.format("q")
    less = set()
    samples = prepare("query_response", tokenizer, [{"query": "q", "response": target} for target in SPACED])
    for target, sample in zip(SPACED, samples, strict=True):
        ids, authors = count_from_end(tokenizer, prompt, target)
        ours = boundary(sample)
        assert (sample["input_ids"], ours) == (ids, len(tokenizer(prompt)["input_ids"])), target
        assert tokenizer.decode([0, *ids[ours:-1]]).removeprefix("<unk>") == " " + target
        less.add(authors - ours)
    assert less <= {0, 1}
    assert 1 in less


@cache
def cutting_tokenizer(name: str) -> Any:
    tokenizer = TOKENIZERS[name]()
    tokenizer.truncation_side = "left"
    return tokenizer


def cut_as_the_authors(name: str, text: str) -> str:
    """`cut_src` of the authors' MATH script: 800 tokens, of which 512 for the target."""
    tokenizer = cutting_tokenizer(name)
    ids = tokenizer(text, truncation=True, max_length=800 - 512)["input_ids"]
    return tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_long_problem_is_cut_from_the_left(name: str, tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers[name]
    problems = ["apples many " * 200, "数 é 😀 \\[x\\] " * 60, "12 apples\n\n" * 99]
    rows = [{"problem": problem, "solution": "\\[7\\]"} for problem in problems]
    for problem, sample in zip(problems, prepare("math", tokenizer, rows, sequence_len=800), strict=True):
        source = cut_as_the_authors(name, BARE.format(problem))
        assert "Below" not in source, "the preamble goes first"
        assert source.endswith("### Response:")
        ids = [*tokenizer(source + " \\[7\\]")["input_ids"], tokenizer.eos_token_id]
        assert (sample["input_ids"], boundary(sample)) == (ids, len(tokenizer(source)["input_ids"]))
        assert ids[0] == tokenizer.bos_token_id


@pytest.mark.parametrize("name", NAMES)
def test_the_target_has_room_for_512_tokens(name: str, tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers[name]
    for sequence_len in (800, 600):
        room = sequence_len - 512
        # Each of these tokenizers takes digits one by one.
        fits = "1" * (room + 1 - len(tokenizer(BARE.format("1"))["input_ids"]))
        rows = [{"problem": fits, "solution": "7"}, {"problem": fits + "1", "solution": "7"}]
        whole, cut = prepare("math", tokenizer, rows, sequence_len=sequence_len)
        assert boundary(whole) == boundary(cut) == room
        assert whole["input_ids"] == tokenizer(BARE.format(fits) + " 7")["input_ids"] + [tokenizer.eos_token_id]
        kept = tokenizer.decode(cut["input_ids"], skip_special_tokens=True).strip()
        assert kept == (BARE.format(fits + "1") + " 7").removeprefix("Below").strip()


def test_a_sequence_len_without_room_for_the_problem(tokenizers: dict[str, Any]) -> None:
    for sequence_len in (512, 100):
        with pytest.raises(SystemExit) as stopped:
            load("math", tokenizers["mistral"], sequence_len=sequence_len)
        assert str(stopped.value) == (
            f"\naxolotl-cotmask: sequence_len is {sequence_len}, and axolotl_cotmask.prompt_strategies.math keeps 512 "
            "tokens for the target, so no room is left for the question: raise sequence_len (the paper's is 800)"
        )
    load("math", tokenizers["mistral"], sequence_len=513)


def test_real_math(real_data: Path, tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["mistral"]
    rows = list(read_jsonl(real_data / "math_train_sample.jsonl"))
    samples = prepare("math", tokenizer, rows, sequence_len=800, excess_length_strategy="drop")
    cut = 0
    for row, sample in zip(rows, samples, strict=True):
        whole = BARE.format(row["problem"])
        long = len(tokenizer(whole)["input_ids"]) > 288
        source = cut_as_the_authors("mistral", whole) if long else whole
        assert (sample["input_ids"], boundary(sample)) == count_from_end(tokenizer, source, row["solution"])
        assert tokenizer.decode(sample["input_ids"][: boundary(sample)], skip_special_tokens=True) == source
        assert long == (not source.startswith("Below is"))
        cut += long
    assert (len(rows), cut) == (700, 35)


def answer_rows(path: Path, kind: str) -> list[tuple[str, str]]:
    """Prompt and response of each row, by the authors' rules written once more."""
    pairs = []
    for row in read_jsonl(path):
        if kind == "metamath" and "\n" in row["query"]:
            pairs.append((WITH_INPUT.format(*row["query"].split("\n", 1)), row["response"]))
        else:
            pairs.append((BARE.format(row.get("query") or row["instruction"]), row.get("response") or row["output"]))
    return pairs


@pytest.mark.slow
def test_real_metamathqa_and_mathinstruct_through_axolotl(real_data: Path, project: Project) -> None:
    files = {"metamath": real_data / "metamathqa_sample.jsonl", "mathinstruct": real_data / "mathinstruct_sample.jsonl"}
    mistral().save_pretrained(project.directory / "mistral")
    config = project.config(
        tokenizer_config=str(project.directory / "mistral"),
        sequence_len=1024,
        datasets=[
            {"path": str(path), "type": f"axolotl_cotmask.prompt_strategies.{kind}"} for kind, path in files.items()
        ],
    )
    project.axolotl("preprocess", config).check()
    (prepared,) = (path for path in (project.directory / "config-prepared").iterdir() if path.is_dir())
    samples = {tuple(sample["input_ids"]): sample for sample in load_from_disk(str(prepared))}
    pairs = [pair for kind, path in files.items() for pair in answer_rows(path, kind)]
    assert len(samples) == len(pairs) == 8
    assert sum("### Input:\n" in prompt for prompt, _ in pairs) == 2, "the backward questions have two lines"
    tokenizer = mistral()
    for prompt, response in pairs:
        ids, count = count_of_prompt(tokenizer, prompt, response)
        sample = samples[tuple(ids)]
        assert boundary(sample) == count
        assert sample["mask_weight"] == [0.0] * count + [1.0] * (len(ids) - count)
        assert tokenizer.decode(ids, skip_special_tokens=True) == prompt + response


# As Qwen2.5's and Llama-3's, without tools.
QWEN_TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if message.role != 'system' or not loop.first %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
LLAMA_TEMPLATE = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + "
    "message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)


def chatml(**settings: Any) -> Any:
    settings = {"eos_token": "<|im_end|>", "chat_template": QWEN_TEMPLATE, **settings}
    return byte_level(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), bos=None, **settings)


def test_chat_template_as_in_qwen() -> None:
    tokenizer = chatml()
    (sample,) = prepare("gsm8k_chat", tokenizer, [{"question": "How many apples?", "answer": "1+2=<<1+2=3>>3\n#### 3"}])
    prompt, target = sample["input_ids"][: boundary(sample)], sample["input_ids"][boundary(sample) :]
    assert tokenizer.decode(prompt) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nHow many apples?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.decode(target) == "1+2=<<1+2=3>>3\n#### 3<|im_end|>"
    assert " ".join(tokenizer.convert_ids_to_tokens(prompt)).endswith(
        "<|im_start|> u s e r Ċ How Ġmany Ġapples ? <|im_end|> Ċ <|im_start|> a s s i s t a n t Ċ"
    )
    assert " ".join(tokenizer.convert_ids_to_tokens(target)) == "1 + 2 = << 1 + 2 = 3 >> 3 Ċ #### Ġ 3 <|im_end|>"
    assert [token for token in prompt if token in tokenizer.all_special_ids] == [
        tokenizer.convert_tokens_to_ids(token) for token in ["<|im_start|>", "<|im_end|>"] * 2 + ["<|im_start|>"]
    ]
    assert sample["mask_weight"] == [0.0] * len(prompt) + [1.0] * len(target)


@pytest.mark.parametrize("name", ["qwen3", "qwen3_5"])
def test_chat_template_kwargs_fill_in_the_template(name: str) -> None:
    tokenizer = chatml(chat_template=get_chat_template(name))
    row = {"question": "How many apples?", "answer": "1+2=<<1+2=3>>3\n#### 3"}
    (sample,) = prepare("gsm8k_chat", tokenizer, [row], chat_template_kwargs={"enable_thinking": False})
    prompt, target = sample["input_ids"][: boundary(sample)], sample["input_ids"][boundary(sample) :]
    assert tokenizer.decode(prompt) == (
        "<|im_start|>user\nHow many apples?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    assert tokenizer.decode(target) == "1+2=<<1+2=3>>3\n#### 3<|im_end|>"
    # As Axolotl's own chat_template type writes it.
    turns = [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=False)
    assert whole.startswith(tokenizer.decode(sample["input_ids"]))
    with pytest.raises(SystemExit, match=r"chat_template_kwargs: \{enable_thinking: false\}"):
        load("gsm8k_chat", tokenizer)
    with pytest.raises(SystemExit, match=r"chat_template_kwargs\.tokenize is what the type gsm8k_chat decides itself"):
        load("gsm8k_chat", tokenizer, chat_template_kwargs={"tokenize": True})


def test_a_template_that_writes_bos_gives_one() -> None:
    special = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    tokenizer = byte_level(special, bos="<|begin_of_text|>", eos_token="<|eot_id|>", chat_template=LLAMA_TEMPLATE)
    assert tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id, "the tokenizer would add another"
    (sample,) = prepare("gsm8k_chat", tokenizer, [{"question": "How many apples?", "answer": "3\n#### 3"}])
    ids = sample["input_ids"]
    assert tokenizer.decode(ids) == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHow many apples?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n3\n#### 3<|eot_id|>"
    )
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids[boundary(sample) :]) == "3\n#### 3<|eot_id|>"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"chat_template": None},
            "the type gsm8k_chat needs a chat template, and the tokenizer has none: set chat_template: in the config, or "
            "use the type gsm8k",
        ),
        (
            {"eos_token": "<|endoftext|>"},
            "the chat template ends a turn with '<|im_end|>\\n', and the EOS token is '<|endoftext|>', so a trained model "
            "would not stop there: set special_tokens: {eos_token: '<|im_end|>'} in the config",
        ),
        (
            {"chat_template": "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"},
            "the chat template ends a turn with '\\n', and the EOS token is '<|im_end|>', so a trained model would not stop "
            "there: set another chat_template: in the config",
        ),
        (
            {"chat_template": QWEN_TEMPLATE.replace("'<|im_start|>assistant\\n'", "'<|im_start|>assistant\\n<think>\\n'")},
            "the chat template writes an answer in another place than it asks for one (it may add thinking): set options "
            "of it, such as chat_template_kwargs: {enable_thinking: false}, or another chat_template: in the config, or use "
            "the type gsm8k",
        ),
    ],
    ids=["no template", "another EOS", "no end of a turn", "thinking"],
)  # fmt: skip
def test_chat_templates_that_do_not_fit(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        load("gsm8k_chat", chatml(**settings))
    assert str(stopped.value) == f"\naxolotl-cotmask: {sentence}"

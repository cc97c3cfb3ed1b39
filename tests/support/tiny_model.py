"""The tiny base model that tests and attacks load, and its rows."""

from __future__ import annotations

from pathlib import Path

from support.project import Rows


def gsm8k_rows() -> Rows:
    """Forty-eight small word problems in GSM8K's format."""
    from axolotl_cotmask.reproduction.laptop.data import laptop_rows

    return laptop_rows(seed=3, train_rows=48, test_rows=4)["gsm8k_train"]


def tiny_model(directory: Path, rows: Rows) -> Path:
    """A Llama of 2 layers with random weights and a tokenizer of about 400 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from axolotl_cotmask.reproduction.laptop.tiny_model import build_tokenizer, training_texts

    tokenizer = build_tokenizer(training_texts([(row["question"], row["answer"]) for row in rows]), vocab_size=400)
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).save_pretrained(directory)
    return directory

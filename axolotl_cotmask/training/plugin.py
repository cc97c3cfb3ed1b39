"""Axolotl's hooks: each maps to the module that does the work."""

from __future__ import annotations

import os
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin, PluginManager
from axolotl.utils.logging import get_logger

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.masking import attention
from axolotl_cotmask.masking.config import CoTMaskConfig, parse_config
from axolotl_cotmask.masking.datasets import RunMasking
from axolotl_cotmask.masking.marks import MASK_WEIGHT
from axolotl_cotmask.masking.step import Masking
from axolotl_cotmask.training import checks, faults, preparation, starting_again, stripping, vocabulary
from axolotl_cotmask.training.collator import collate_marks
from axolotl_cotmask.training.epochs import train_whole_epochs
from axolotl_cotmask.training.labels import count_unmaskable
from axolotl_cotmask.training.loading import is_looked_at
from axolotl_cotmask.training.places import place_faults
from axolotl_cotmask.training.progress import WritesProgress
from axolotl_cotmask.training.types import check_types

LOG = get_logger(__name__)


class CoTMaskPlugin(BasePlugin):
    """Masked Thought fine-tuning in ``axolotl train``; options in the ``cotmask:`` block of the config."""

    def __init__(self) -> None:
        super().__init__()
        self._config: CoTMaskConfig | None = None
        self._new_token_id: int | None = None
        self._base_rows = 0
        self._trained_rows = 0
        self._embedding_names: set[str] = set()

    @property
    def config(self) -> CoTMaskConfig:
        """The validated ``cotmask:`` block; there from `register` on."""
        assert self._config is not None
        return self._config

    @one_sentence
    def register(self, cfg: Any) -> None:
        """Check the config before anything is loaded, and prepare Axolotl for it."""
        checks.check_axolotl()
        checks.check_command_line()
        faults.stop_on_faults(cfg, *(() if is_looked_at() else (place_faults,)))
        if checks.is_training() and cfg.get("output_dir") and os.environ.get("RANK", "0") == "0":
            starting_again.check_free(str(cfg["output_dir"]))
        self._config = parse_config(cfg.get("cotmask"))
        preparation.use_local_files(cfg)
        # The saved model has the token no more.
        is_stripped = self.config.strip_mask_token and checks.reads_saved_model(cfg)
        if RunMasking(self.config, cfg.get("datasets")).uses_mask_token and not is_stripped:
            vocabulary.add_mask_token(cfg, self.config)
        preparation.patch_axolotl()
        preparation.describe_datasets(cfg, self.config)

    def get_input_args(self) -> str:
        """Return the schema of the ``cotmask:`` block."""
        return "axolotl_cotmask.masking.config.CoTMaskArgs"

    @one_sentence
    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        """Check, at the start of a run, what the validated config and the files say."""
        from axolotl.loaders import load_tokenizer

        if not preprocess and os.environ.get("RANK", "0") == "0":
            starting_again.hold(cfg.output_dir)
        checks.check_other_plugins(cfg, PluginManager.get_instance().plugins.items(), self)
        try:
            tokenizer = load_tokenizer(cfg)
        except (OSError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise CoTMaskError(
                f"tokenizer_config {cfg.tokenizer_config}: the tokenizer cannot be loaded ({reason}): mend the name"
            ) from error
        check_types(cfg, tokenizer)
        run = RunMasking(self.config, cfg.datasets)
        if cfg.train_on_inputs and self.config.mask_ratio > 0 and self.config.scope == "target":
            LOG.warning(
                "train_on_inputs is set: prompts and the turns of others carry labels, too, so questions are masked "
                "like the answers to them: take it out, if that is not meant"
            )
        # Here a wrong option of a noise stops the run, before data and model are loaded.
        run.noises(tokenizer)
        self._new_token_id = vocabulary.new_token_id(cfg, run, tokenizer)
        if cfg.ddp and not torch.accelerator.is_available():
            # Axolotl maps each rank's model to the GPU of that number, also where there is none.
            cfg.device_map = "cpu"
            starting_again.read_states_of_processors()

    def pre_model_load(self, cfg: Any) -> None:
        """Let the seed decide how an adapter and new embeddings begin.

        Axolotl sets it only after the model is there, so that a run of LoRA that starts again would be another one.
        """
        from transformers import set_seed

        if cfg.seed is not None and not cfg.inference:
            set_seed(cfg.seed)

    def post_model_build(self, cfg: Any, model: Any) -> None:
        """Remember the vocabulary that the base model came with."""
        self._base_rows = model.get_input_embeddings().num_embeddings
        self._embedding_names = stripping.embedding_names(model)

    def pre_lora_load(self, cfg: Any, model: Any) -> None:
        """Start the new mask token at the mean of the old rows, before an adapter copies the embeddings."""
        self._trained_rows = model.get_input_embeddings().num_embeddings
        if self._new_token_id is not None:
            vocabulary.start_at_mean(model, self._new_token_id, old_rows=min(self._base_rows, self._new_token_id))

    def get_trainer_cls(self, cfg: Any) -> type:
        """Return the trainer that masks."""
        from axolotl_cotmask.training.trainer import CoTMaskTrainer

        return CoTMaskTrainer

    @one_sentence
    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Give the trainer its masking and whole epochs, and its collators the marks."""
        from axolotl_cotmask.training.trainer import CoTMaskTrainer

        if not isinstance(trainer, CoTMaskTrainer):
            raise CoTMaskError(
                f"the trainer is {type(trainer).__name__}, not the plugin's, so nothing would be masked: take out the "
                "setting or plugin that brings it"
            )
        if MASK_WEIGHT not in trainer.train_dataset.column_names:
            raise CoTMaskError(
                f"the prepared data has no column {MASK_WEIGHT}, so nothing would be masked: it was prepared without "
                "the plugin; delete dataset_prepared_path and prepare it again"
            )
        tokenizer = trainer.processing_class
        trainer.start_masking(Masking.start(RunMasking(self.config, cfg.datasets), tokenizer, cfg.seed))
        if self.config.hide_from_attention:
            model = trainer.model.config
            attention.check(model._attn_implementation, getattr(model, "sliding_window", None), cfg.sequence_len)
        collate_marks(trainer)
        masks = self.config.mask_ratio > 0
        if masks:
            trainer.unmaskable_rows = count_unmaskable(trainer.train_dataset)
        trainer.warmup_steps = train_whole_epochs(cfg, trainer.args, len(trainer.train_dataset), masks)

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        """Return the callback that tells a program that watches how far the training is, where there is one."""
        return WritesProgress.wanted()

    def create_lr_scheduler(self, cfg: Any, trainer: Any, optimizer: Any, num_training_steps: int) -> Any:
        """Return the scheduler of ``lr_tail``, or None for Axolotl's own."""
        if self.config.lr_tail is None:
            return None
        from axolotl_cotmask.training import lr_curve

        return lr_curve.scheduler(
            optimizer,
            warmup_steps=trainer.args.get_warmup_steps(num_training_steps),
            steps=num_training_steps,
            min_ratio=trainer.args.cosine_min_lr_ratio,
            cosine_share=trainer.args.cosine_constant_lr_ratio,
        )

    @one_sentence
    def post_train_unload(self, cfg: Any) -> None:
        """Take the mask token out of the saved model, when the config asks for it, and leave the output directory."""
        rank = os.environ.get("RANK", "0")
        if self.config.strip_mask_token and self._new_token_id is not None and rank == "0":
            stripping.strip_token(
                cfg,
                self.config.token,
                self._embedding_names,
                trained_rows=self._trained_rows,
                base_rows=self._base_rows,
            )
            LOG.info(f"took {self.config.token} out of the model in {cfg.output_dir}")
        starting_again.let_go()

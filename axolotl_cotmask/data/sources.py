"""Where the data sets live: on the hub, at a raw URL, or in the directory that ``COTMASK_DATA_DIR`` names."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.common.files import RowError, checked_row, json_elements, json_lines
from axolotl_cotmask.data.download import check_recorded

if TYPE_CHECKING:
    from datasets import Dataset

ENV_VAR = "COTMASK_DATA_DIR"


@dataclasses.dataclass(frozen=True)
class DataSource:
    """One data set: its file under ``COTMASK_DATA_DIR``, its remote home, and the fields that its rows must have.

    ``files`` are the names that the file may have there, the preferred one first; ``fetch-data`` writes that one.
    ``remote`` holds the arguments of ``datasets.load_dataset`` that load it when no local directory is set; it is empty
    for a data set without a known home. A field may be null in a row only when ``nullable`` names it. ``aliases`` maps
    the names that some copies give to a field to its name in ``fields``.
    """

    files: tuple[str, ...]
    remote: Mapping[str, str]
    fields: tuple[str, ...]
    nullable: tuple[str, ...] = ()
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def file(self) -> str:
        """The name of the file in JSON lines."""
        return self.files[-1]

    @property
    def url(self) -> str | None:
        """The URL of the file, for a data set that the hub does not hold."""
        return self.remote.get("data_files")


_GITHUB = "https://raw.githubusercontent.com/"
_GSM_IC_URL = _GITHUB + "google-research-datasets/GSM-IC/0c1da13552afcc5d995d6f1ad5288417cb110246/"
_GSM_IC_FIELDS = ("original_question", "new_question", "answer", "n_steps")
# Copies of GSM-IC without these two fields get them by matching texts, and a few rows find no match.
_GSM_IC_NULLABLE = ("original_question", "n_steps")
_RFT_URL = _GITHUB + "OFA-Sys/gsm8k-ScRel/main/data/rft/"


def _json_at(url: str) -> Mapping[str, str]:
    return {"path": "json", "data_files": url, "split": "train"}


def _on_hub(path: str, split: str, name: str = "") -> Mapping[str, str]:
    return {"path": path, **({"name": name} if name else {}), "split": split}


def _gsm_ic(file: str, sample: str) -> DataSource:
    return DataSource((file, sample), _json_at(_GSM_IC_URL + file), _GSM_IC_FIELDS, _GSM_IC_NULLABLE)


def _rft(file: str) -> DataSource:
    return DataSource((f"rft_{file}",), _json_at(_RFT_URL + file), ("query", "response"))


def _gsm_symbolic(name: str) -> DataSource:
    remote = _on_hub("apple/GSM-Symbolic", "test", name)
    return DataSource((f"gsm_symbolic_{name}.jsonl",), remote, ("instance", "question", "answer"))


def _choices(file: str, split: str, path: str, fields: tuple[str, ...], name: str = "") -> DataSource:
    return DataSource((file,), _on_hub(path, split, name), fields)


_OBQA = ("allenai/openbookqa", ("question_stem", "choices", "answerKey"), "main")
_CSQA = ("tau/commonsense_qa", ("question", "choices", "answerKey"))
_PIQA = ("baber/piqa", ("goal", "sol1", "sol2", "label"))
_SIQA = ("allenai/social_i_qa", ("context", "question", "answerA", "answerB", "answerC", "label"))
_QA, _PROBLEM = ("question", "answer"), ("problem", "solution", "level")

SOURCES: Mapping[str, DataSource] = {
    "gsm8k_train": DataSource(("gsm8k_train.jsonl",), _on_hub("openai/gsm8k", "train", "main"), _QA),
    "gsm8k_test": DataSource(("gsm8k_test.jsonl",), _on_hub("openai/gsm8k", "test", "main"), _QA),
    "gsm_ic_2step": _gsm_ic("GSM-IC_2step.json", "gsm_ic_2step_1k.jsonl"),
    "gsm_ic_mstep": _gsm_ic("GSM-IC_mstep.json", "gsm_ic_mstep_1k.jsonl"),
    "rft_u33": _rft("u33b.jsonl"),
    "rft_100_llama2_7b": _rft("llama_7b2.jsonl"),
    "rft_100_llama2_13b": _rft("llama_13b2.jsonl"),
    "math_train": DataSource(("math_train.jsonl",), _on_hub("DigitalLearningGmbH/MATH-lighteval", "train"), _PROBLEM),
    "math_test": DataSource(("math_test.jsonl",), _on_hub("DigitalLearningGmbH/MATH-lighteval", "test"), _PROBLEM),
    "math500": DataSource(
        ("math500.jsonl",), _on_hub("HuggingFaceH4/MATH-500", "test"), ("problem", "answer", "level")
    ),
    "gsm8k_platinum": DataSource(
        ("gsm8k_platinum_test.jsonl",), _on_hub("madrylab/gsm8k-platinum", "test", "main"), _QA
    ),
    "gsm8k_backward": DataSource(("gsm8k_backward_fobar.jsonl",), _on_hub("meta-math/GSM8K_Backward", "test"), _QA),
    "gsm_plus": DataSource(
        ("gsm_plus_testmini.jsonl",), _on_hub("qintongli/GSM-Plus", "testmini"), (*_QA, "perturbation_type")
    ),
    "gsm_symbolic_main": _gsm_symbolic("main"),
    "gsm_symbolic_p1": _gsm_symbolic("p1"),
    "gsm_symbolic_p2": _gsm_symbolic("p2"),
    "svamp": DataSource(("svamp.jsonl",), _on_hub("ChilleD/SVAMP", "test"), ("Body", "Question", "Answer")),
    "asdiv": DataSource(("asdiv.jsonl",), _on_hub("EleutherAI/asdiv", "validation", "asdiv"), ("body", *_QA)),
    "multiarith": DataSource(
        ("multiarith.jsonl",),
        _on_hub("ChilleD/MultiArith", "test"),
        ("question", "final_ans"),
        aliases={"sQuestion": "question", "lSolutions": "final_ans"},
    ),
    "mawps": DataSource(("mawps_test.jsonl",), {}, ("input", "target")),
    "aqua": DataSource(
        ("aqua_test.jsonl",), _on_hub("deepmind/aqua_rat", "test", "raw"), ("question", "options", "correct")
    ),
    # Their test splits have no golds but OBQA's.
    "obqa_train": _choices("obqa_train.jsonl", "train", *_OBQA),
    "obqa_test": _choices("obqa_test.jsonl", "test", *_OBQA),
    "csqa_train": _choices("csqa_train.jsonl", "train", *_CSQA),
    "csqa_validation": _choices("csqa_validation.jsonl", "validation", *_CSQA),
    "piqa_train": _choices("piqa_train.jsonl", "train", *_PIQA),
    "piqa_validation": _choices("piqa_validation.jsonl", "validation", *_PIQA),
    "siqa_train": _choices("siqa_train.jsonl", "train", *_SIQA),
    "siqa_validation": _choices("siqa_validation.jsonl", "validation", *_SIQA),
}


def named_dir() -> Path | None:
    """Return the directory that ``COTMASK_DATA_DIR`` names, there or not, or None when it is unset or empty.

    Raises:
        CoTMaskError: it begins with the home of a user who is not there.
    """
    value = os.environ.get(ENV_VAR, "")
    try:
        return Path(value).expanduser() if value else None
    except RuntimeError as error:
        raise CoTMaskError(f"{ENV_VAR} is {value}, and there is no such user: name a directory") from error


def data_dir() -> Path | None:
    """Return the directory that ``COTMASK_DATA_DIR`` names, or None when it is unset or empty.

    Raises:
        CoTMaskError: it is set, but there is no such directory.
    """
    directory = named_dir()
    if directory is None:
        return None
    # Not its own method, to which a name that is too long is an error.
    if not os.path.isdir(directory):
        raise CoTMaskError(
            f"{ENV_VAR} is {os.environ[ENV_VAR]}, and there is no such directory: create it, or unset {ENV_VAR} to "
            "use the hub"
        )
    return directory.resolve()


def local_file(name: str) -> Path | None:
    """Return the file of the data set ``name`` under ``COTMASK_DATA_DIR``, or None when that is unset.

    Raises:
        CoTMaskError: the directory or the file in it is missing, or the file is not the one that was fetched.
    """
    directory = data_dir()
    if directory is None:
        return None
    source = SOURCES[name]
    for file in source.files:
        path = directory / file
        if path.is_file():
            check_recorded(path)
            return path
    if source.url is not None:
        mend = f"fetch it with `axolotl cotmask fetch-data {name}`, or unset {ENV_VAR} to read {source.url}"
    else:
        mend = f"put it there, or unset {ENV_VAR} to use the hub" if source.remote else "put it there"
    raise CoTMaskError(f"{ENV_VAR} is {directory}, and {' or '.join(source.files)} is not in it: {mend}")


def source_rows(path: Path, source: DataSource) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of ``source``: a JSON array, or JSON lines.

    Raises:
        RowError: the file is incomplete, or a field is missing or null; the text names the line or element.
    """
    with path.open("rb") as file:
        is_array = file.read(64).lstrip().startswith(b"[")
    unit, rows = ("element", json_elements(path)) if is_array else ("line", json_lines(path))
    for number, row in rows:
        place = f"{unit} {number}"
        if isinstance(row, dict):
            row = {source.aliases.get(name, name): value for name, value in row.items()}
        row = checked_row(row, place, source.fields)
        for field in source.fields:
            if row[field] is None and field not in source.nullable:
                raise RowError(f"{place}: the field '{field}' is null")
        yield row


def find_fault(path: Path, source: DataSource) -> str | None:
    """Return what makes ``path`` no file of ``source``, or None."""
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file that it points to"
    if start.startswith(b"<"):
        return "a web page"
    try:
        rows = sum(1 for _ in source_rows(path, source))
    except RowError as error:
        return str(error)
    return None if rows else "no rows"


def meant_by(entry: Mapping[str, Any]) -> str | None:
    """Return the data set, a key of `SOURCES`, that an entry of Axolotl's ``datasets:`` names by its remote home."""
    split, _, _ = str(entry.get("split")).partition("[")
    place = (entry.get("path"), entry.get("name"), split)
    for name, source in SOURCES.items():
        home = (source.url,) if source.url else tuple(source.remote.get(key) for key in ("path", "name", "split"))
        if place[: len(home)] == home:
            return name
    return None


def load(name: str) -> Dataset:
    """Load the data set ``name`` (a key of `SOURCES`) with one row per example and at least the source's fields.

    Raises:
        CoTMaskError: there is no such key; the local directory, file, a row or a field is missing, empty or broken, or
            the remote home does not answer.
    """
    if name not in SOURCES:
        raise CoTMaskError(f"no data set is named {name}{closest(name, SOURCES)}")
    source = SOURCES[name]
    path = local_file(name)
    return _load_remote(name, source) if path is None else _load_local(path, source)


def _load_local(path: Path, source: DataSource) -> Dataset:
    import pyarrow
    from datasets import Dataset

    try:
        rows = list(source_rows(path, source))
    except RowError as error:
        raise CoTMaskError(f"{path}, {error}: mend the file") from error
    if not rows:
        mend = f", or unset {ENV_VAR} to use the hub" if source.remote else ""
        raise CoTMaskError(f"{path} holds no rows: put the data set there{mend}")
    try:
        return Dataset.from_list(rows)
    except pyarrow.ArrowException as error:
        raise CoTMaskError(f"{path}: a field changes its type between rows ({error}): give it one type") from error


def _load_remote(name: str, source: DataSource) -> Dataset:
    from datasets import load_dataset

    if not source.remote:
        raise CoTMaskError(
            f"{name} has no known home to be loaded from: set {ENV_VAR} to a directory that holds {source.file}"
        )
    home = source.url or source.remote["path"]
    try:
        dataset = load_dataset(**source.remote)
    except Exception as error:  # offline, the hub's client raises anything from OSError to RuntimeError
        mend = f"that holds {source.file}" if source.url is None else f"and run `axolotl cotmask fetch-data {name}`"
        raise CoTMaskError(
            f"{home} could not be loaded ({type(error).__name__}: {error}): check the network, or set {ENV_VAR} "
            f"to a directory {mend}"
        ) from error
    dataset = dataset.rename_columns({old: new for old, new in source.aliases.items() if old in dataset.column_names})
    missing = [field for field in source.fields if field not in dataset.column_names]
    if missing:
        raise CoTMaskError(
            f"{home} has no field {', '.join(missing)} (there are: {', '.join(dataset.column_names)}): "
            f"{name} needs {', '.join(source.fields)}"
        )
    return dataset

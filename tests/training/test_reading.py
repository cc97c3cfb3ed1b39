"""What `datasets` reads is read, and what it cannot read ends in a sentence that names file, place and mend."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from axolotl.utils.data import sft, shared
from axolotl.utils.dict import DictDefault
from datasets import Dataset
from support.project import Project, write_jsonl

from axolotl_cotmask.training import reading

ROWS = [{"question": f"What is {i} + {i}?", "answer": f"It is {2 * i}.\n#### {2 * i}"} for i in range(6)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
ARRAY = json.dumps(ROWS)
OURS = "axolotl_cotmask.prompt_strategies.gsm8k"


def read(path: Path, **entry: Any) -> Any:
    """What Axolotl reads for an entry, with the plugin."""
    load = reading.in_one_sentence(shared.load_dataset_with_config)
    return load(DictDefault({"path": str(path), "type": OURS, **entry}), False)


@pytest.fixture
def fault(tmp_path: Path) -> Callable[..., str]:
    """Write a file and return the sentence that reading it ends in."""

    def sentence(name: str, content: str | bytes, **entry: Any) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(SystemExit) as stopped:
            read(path, **entry)
        said = str(stopped.value)
        assert said.startswith(f"\naxolotl-cotmask: {path} cannot be read: ")
        return said.removeprefix(f"\naxolotl-cotmask: {path} cannot be read: ")

    return sentence


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("array.jsonl", ARRAY),
        ("array-over-lines.jsonl", json.dumps(ROWS, indent=1)),
        ("objects-over-lines.jsonl", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("lines.json", LINES),
        ("one-line.jsonl", LINES.replace("\n", "")),
        ("blank-lines.jsonl", LINES.replace("\n", "\n\n")),
        ("carriage-returns.jsonl", LINES.replace("\n", "\r\n")),
        ("byte-order-mark.jsonl", "\ufeff" + LINES),
        ("lines.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("array.json.gz", gzip.compress(ARRAY.encode(), mtime=0)),
        ("no-suffix", LINES),
    ],
)
def test_what_datasets_reads_is_read(tmp_path: Path, name: str, content: str | bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read(path).to_list() == ROWS


def test_other_formats(tmp_path: Path) -> None:
    table = pyarrow.Table.from_pylist(ROWS)
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet").to_list() == ROWS
    table.to_pandas().to_csv(tmp_path / "rows.data", index=False)
    assert read(tmp_path / "rows.data", ds_type="csv").to_list() == ROWS
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "rows.jsonl").write_text(LINES, encoding="utf-8")
    assert read(tmp_path / "folder")["train"].to_list() == ROWS
    assert read(tmp_path / "folder", split="train[2:4]").to_list() == ROWS[2:4]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("cut.jsonl", LINES[:-9], "line 6: not a complete JSON object (Unterminated string starting at)"),
        ("cut.json", json.dumps(ROWS, indent=1)[:-30], "line 24: not a complete JSON object ("),
        ("comma.jsonl", LINES + '{"question": "a",}\n', "line 7: not a complete JSON object ("),
        ("behind.jsonl", LINES + "{} x\n", "line 7: not a complete JSON object ("),
        ("number.jsonl", LINES + "5\n", "line 7: holds a number, not a JSON object"),
        ("text.json", '"text"', "line 1: holds a text, not a JSON object"),
        ("space.jsonl", " " + ARRAY, "line 1: holds a list, not a JSON object"),
        ("empty.jsonl", "", "it is empty"),
        ("blank.jsonl", "\n\n", "it is empty"),
        ("mark.json", "\ufeff" + ARRAY, "it begins with a byte order mark: save it as UTF-8 without one"),
        ("utf16.jsonl", LINES.encode("utf-16"), "line 1: not UTF-8"),
        ("brackets.jsonl", "[" * 100_000, "line 1: lists and objects are nested more than 100 deep"),
        ("cut.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)[:40], "Compressed file ended before"),
        ("no.jsonl.gz", b"nonsense", "Not a gzipped file"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(fault: Callable[..., str], name: str, content: str | bytes, expected: str) -> None:
    sentence = fault(name, content)
    assert sentence.startswith(expected)
    assert sentence.endswith(": mend the data, or what the config says of them")


def test_what_the_entry_says_wrong(fault: Callable[..., str], tmp_path: Path) -> None:
    for content in (LINES, "\ufeff" + LINES):
        assert fault("rows.jsonl", content, split="test").startswith('Unknown split "test"')
    assert fault("rows.jsonl", LINES, split="train[99:]").startswith('Instruction "train[99:]" corresponds to no data')
    assert fault("rows.jsonl", LINES, ds_type="parquet").startswith("Parquet magic bytes not found in footer")
    with pytest.raises(SystemExit, match="has 6 rows, too few for 7 shards: give shards a smaller number"):
        read(tmp_path / "rows.jsonl", shards=7)


def test_a_network_error_is_axolotls(tmp_path: Path) -> None:
    from requests.exceptions import ConnectionError as NoConnection

    def load(*_: Any) -> None:
        raise NoConnection

    with pytest.raises(NoConnection):
        reading.in_one_sentence(load)({"path": "somebody/somewhere"})


@pytest.mark.parametrize(
    ("entry", "mend"),
    [
        ({"path": "openai/gsm8k", "name": "main", "split": "train[:5]"}, "check the name and the network, or set COTMASK_DATA_DIR to a directory that holds gsm8k_train.jsonl"),
        ({"path": "somebody/somewhere"}, "check the name and the network"),
    ],
)  # fmt: skip
def test_what_is_not_here_and_not_on_the_hub(entry: dict[str, Any], mend: str) -> None:
    def load(dataset_config: Any) -> None:
        raise ValueError("The dataset could not be loaded.")

    with pytest.raises(SystemExit) as ended:
        reading.in_one_sentence(load)(entry)
    said = (
        f"{entry['path']} is not here, and could not be loaded from elsewhere (The dataset could not be loaded): {mend}"
    )
    assert str(ended.value).strip() == f"axolotl-cotmask: {said}"


@pytest.mark.parametrize(
    ("changes", "of_entry", "expected"),
    [
        ({}, {"path": "./latin.jsonl"}, "./latin.jsonl cannot be read: line 7: not UTF-8: mend the data"),
        ({}, {"path": "./nested.json"}, "./nested.json: its rows stand within 'data', and Axolotl reads none there: write each as a line of its own (`jq -c '.[\"data\"][]' FILE > rows.jsonl`)"),
        ({}, {"path": "./nested.json", "field": "data"}, "datasets[0].field is set, which the type axolotl_cotmask.prompt_strategies.gsm8k does not honour, since it names the text of `type: completion`, and no rows within a file"),
        ({}, {"path": "./inner.jsonl"}, "./inner.jsonl: its rows stand within 'a \"row\"', and Axolotl reads none there: write each as a line of its own (`jq -c '.[\"a \\\"row\\\"\"]' FILE > rows.jsonl`)"),
        ({}, {"path": "./other.json"}, "./other.json: the field 'question' is missing (there are: data)"),
        ({}, {"path": "./array.jsonl", "shards": 2, "shards_idx": 2}, "datasets[0].shards_idx is 2, and shards is 2: give a number from 0 to 1"),
        ({}, {"path": "./array.jsonl", "shards_idx": 1}, "datasets[0].shards_idx is 1, and shards does not say of how many"),
        ({}, {"path": "./array.jsonl", "shards": 2, "preprocess_shards": 2}, "datasets[0].preprocess_shards does not go with shards"),
        ({"dataset_shard_num": 2, "dataset_shard_idx": 5}, {"path": "./array.jsonl"}, "dataset_shard_idx is 5, and dataset_shard_num is 2"),
        ({"val_set_size": 6}, {"path": "./array.jsonl"}, "val_set_size is 6, and there are 6 rows, so that none is left on one side"),
        ({"sequence_len": 20, "excess_length_strategy": "drop"}, {"path": "./array.jsonl"}, "no row is left: of 6 rows none has from 2 (min_sample_len) to 20 tokens"),
    ],
    ids=["bytes", "nested", "field", "inner", "other", "shard", "of what", "two shardings", "shard of the whole", "held out", "too long"],
)  # fmt: skip
def test_a_run_ends_in_the_sentence(
    project: Project, changes: dict[str, Any], of_entry: dict[str, Any], expected: str
) -> None:
    (project.directory / "array.jsonl").write_text(ARRAY, encoding="utf-8")
    (project.directory / "nested.json").write_text(json.dumps({"data": ROWS}), encoding="utf-8")
    write_jsonl(project.directory / "inner.jsonl", [{"n": place, 'a "row"': row} for place, row in enumerate(ROWS)])
    (project.directory / "other.json").write_text(json.dumps({"data": [{"a": 1}, {"a": 2}]}), encoding="utf-8")
    (project.directory / "latin.jsonl").write_bytes(LINES.encode() + b'{"question": "\xff", "answer": "#### 1"}\n')
    config = project.config(datasets=[{"type": OURS, **of_entry}], **changes)
    assert project.axolotl("train", config).sentence().startswith(expected)


@pytest.mark.parametrize("size", [float("inf"), float("nan"), -0.5, 6, 7])
def test_what_cannot_be_held_out(size: float) -> None:
    hold_out = reading.with_rows_to_train_on(sft._handle_train_dataset_split)
    with pytest.raises(
        SystemExit, match=f"val_set_size is {size:g}, and there are 6 rows, so that none is left on one"
    ):
        hold_out(Dataset.from_list(ROWS), DictDefault({"val_set_size": size, "seed": 1}))


@pytest.mark.parametrize("field", [None, "data"])
def test_axolotl_itself_reads_no_rows_within_a_key(tmp_path: Path, field: str | None) -> None:
    path = tmp_path / "nested.json"
    path.write_text(json.dumps({"data": ROWS}, indent=1), encoding="utf-8")
    assert read(path, field=field).to_list() == [{"data": ROWS}], (
        "`datasets` would, with field=data; Axolotl never says so"
    )


def test_training_on_an_array_is_training_on_its_lines(project: Project) -> None:
    (project.directory / "array.jsonl").write_text(ARRAY, encoding="utf-8")
    (project.directory / "lines.jsonl").write_text(LINES, encoding="utf-8")
    models = [
        project.train(name, datasets=[{"path": f"./{name}.jsonl", "type": OURS}]) / "model.safetensors"
        for name in ("array", "lines")
    ]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_axolotl_looks_the_functions_up_where_they_are_replaced() -> None:
    names = ("load_dataset_with_config", "handle_long_seq_in_dataset", "_handle_train_dataset_split")
    assert all(callable(getattr(sft, name)) for name in (*names, "_prepare_standard_dataset", "get_dataset_wrapper"))

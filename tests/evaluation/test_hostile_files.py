"""What commands say of files that are not what lm-eval wrote: a result or one sentence, never a traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.lm_eval_runs import DATE, TASK, write_results

from axolotl_cotmask.cli import cotmask
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.resources import PACKAGE
from axolotl_cotmask.evaluation.tasks import load_math_documents, with_choices

TOKENIZER = PACKAGE / "reproduction/laptop/bases/copying-1"
RULE = ("--rule", "gsm8k_hash", "--prediction-field", "answer", "--gold-field", "answer")
DEEP = b"[" * 100_000 + b"]" * 100_000
LATER = "2026-01-02T00-00-00.000000"


def run(*words: str | Path) -> Result:
    """Run a command; what it did not foresee fails the test with its traceback."""
    result = CliRunner().invoke(cotmask, list(map(str, words)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def sentence(result: Result) -> str:
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def written(tmp_path: Path, name: str = "a") -> tuple[Path, Path, Path]:
    """The directory, the results and the samples of an evaluation of two questions, one right."""
    directory = write_results(tmp_path / name, ["#### 1", "#### 2"], [1.0, 0.0], pretrained=f"outputs/{name}")
    results, samples = directory / f"results_{DATE}.json", directory / f"samples_{TASK}_{DATE}.jsonl"
    content = json.loads(results.read_text())
    content |= {"configs": {TASK: {}}, "n-samples": {TASK: {"original": 1319, "effective": 2}}}
    results.write_text(json.dumps(content, indent=1))
    return directory, results, samples


SAMPLES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda text: text[:-20], "line 2: not a complete JSON object"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), "line 1: the file is UTF-16"),
    "empty": (lambda text: b"", "holds no rows"),
    "deep": (lambda text: b'{"x": ' + DEEP + b"}\n" + text, "line 1: lists and objects are nested more than 100 deep"),
    "twice": (lambda text: text.replace(b'"exact_match"', b'"exact_match": 1.0, "exact_match"', 1), "line 1: the key 'exact_match' comes twice"),
    "null": (lambda text: b"null\n" + text, "line 1: holds null, not a JSON object"),
    "NUL": (lambda text: bytes(99), "line 1: not a complete JSON object"),
    "doc_id null": (lambda text: text.replace(b'"doc_id": 1', b'"doc_id": null'), "line 1: no sample of lm-eval"),
    "doc_id list": (lambda text: text.replace(b'"doc_id": 1', b'"doc_id": [1]'), "line 1: no sample of lm-eval"),
    "doc_id boolean": (lambda text: text.replace(b'"doc_id": 1', b'"doc_id": true'), "line 1: no sample of lm-eval"),
    "doc_id float": (lambda text: text.replace(b'"doc_id": 1', b'"doc_id": 1.0'), "line 1: no sample of lm-eval"),
    "doc null": (lambda text: text.replace(b'"doc": {', b'"doc": null, "was": {', 1), "line 1: no sample of lm-eval"),
    "lost": (lambda text: text.split(b"\n")[0], "holds 1 of the 2 questions that were scored"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_broken_samples_are_named(tmp_path: Path, name: str) -> None:
    change, said = SAMPLES[name]
    directory, _, samples = written(tmp_path)
    other = written(tmp_path, "b")[0]
    samples.write_bytes(change(samples.read_bytes()))
    for words in (("compare", directory, other), ("analyze", "length", f"A={directory}", "--tokenizer", TOKENIZER)):
        assert sentence(run(*words)).startswith(f"{samples}"), words
        assert said in sentence(run(*words)), words
    if name != "lost":
        assert said in sentence(run("score", samples, *RULE))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("end", [b"", b"\n"], ids=["no newline", "newline"])
def test_complete_files_are_read(tmp_path: Path, mark: bytes, end: bytes) -> None:
    directory, results, samples = written(tmp_path)
    for path in (results, samples):
        path.write_bytes(mark + path.read_bytes().rstrip(b"\n") + end)
    assert "A " in run("compare", directory, directory).output
    assert run("signature", results).output.startswith(f"task:{TASK}|")
    assert "A" in run("analyze", "length", f"A={results}", "--tokenizer", TOKENIZER).output


RESULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "results null": (lambda content: content.update(results=None), "'results' holds null"),
    "task null": (lambda content: content["results"].update({TASK: None}), f"'results.{TASK}' holds null"),
    "configs null": (lambda content: content.update(configs=None), "'configs' holds null"),
    "configs list": (lambda content: content.update(configs=[TASK]), "'configs' holds"),
    "config text": (lambda content: content.update(config="x"), "'config' holds"),
    "arguments": (lambda content: content["config"].update(model_args=[1]), "'config.model_args' holds [1]"),
    "until": (lambda content: content["configs"].update({TASK: {"generation_kwargs": {"until": 5}}}), f"'configs.{TASK}.generation_kwargs.until' holds 5"),
    "metadata": (lambda content: content["configs"].update({TASK: {"metadata": [1]}}), f"'configs.{TASK}.metadata' holds [1]"),
    "counts": (lambda content: content.update({"n-samples": {TASK: {}}}), f"'n-samples.{TASK}' holds {{}}"),
    "shots": (lambda content: content.update({"n-shot": None}), "'n-shot' holds null"),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_what_lm_eval_never_writes_is_named(tmp_path: Path, name: str) -> None:
    change, said = RESULTS[name]
    _, results, _ = written(tmp_path)
    content = json.loads(results.read_text())
    change(content)
    results.write_text(json.dumps(content))
    for words in (("signature", results), ("compare", results.parent, results), ("analyze", "corrupted-step", f"A={results}")):  # fmt: skip
        assert sentence(run(*words)).startswith(f"{results}: {said}"), words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not a complete JSON file"),
        (b'{"results": ', "not a complete JSON file"),
        (b"null", "holds null, not a JSON object"),
        (b'{"results": {}, "x": ' + DEEP + b"}", "lists and objects are nested more than 100 deep"),
        (b'{"results": {}, "results": {}}', "the key 'results' comes twice"),
        (b'{"a": 1}\n{"a": 2}\n', "holds JSON lines, and one JSON object is needed"),
    ],
)
def test_broken_results_are_named(tmp_path: Path, text: bytes, said: str) -> None:
    directory, results, _ = written(tmp_path)
    results.write_bytes(text)
    assert sentence(run("signature", directory)).startswith(f"{results}: {said}")


def test_results_and_samples_stand_for_each_other_or_say_what_they_are(tmp_path: Path) -> None:
    _, results, samples = written(tmp_path)
    assert "holds lm-eval's results, not answers: give the samples_*.jsonl" in sentence(run("score", results, *RULE))
    assert run("signature", samples).output == run("signature", results).output, "the results are beside it"
    assert "A" in run("analyze", "length", f"A={samples}", "--tokenizer", TOKENIZER).output
    results.unlink()
    assert "is no results file of lm-eval: give the results_*.json" in sentence(run("signature", samples))


def test_what_output_path_with_a_file_name_made_is_found(tmp_path: Path) -> None:
    directory, results, _ = written(tmp_path)
    results = results.rename(directory / f"mine_{DATE}.json")
    for path in (directory, results, directory / "mine.json"):
        assert run("signature", path).output.startswith(f"task:{TASK}|"), path
        assert run("compare", path, path).exit_code == 0
    assert "there is no such file or directory" in sentence(run("signature", directory / "other.json"))


def test_two_models_are_refused_and_the_newest_of_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    first = written(tmp_path / "both", "a")[1]
    second, results, samples = written(tmp_path / "both", "b")
    refusal = sentence(run("signature", tmp_path / "both"))
    assert refusal.startswith(f"{tmp_path / 'both'}: the results of 2 models are in it: name one of {first}")
    assert "(outputs/a)" in refusal
    again = second / f"results_{LATER}.json"
    again.write_text(results.read_text())
    (second / f"samples_{TASK}_{LATER}.jsonl").write_text(samples.read_text())
    told = run("signature", second)
    assert told.exit_code == 0
    assert told.stderr == f"{TASK} was scored 2 times: the newest counts, {again}\n"


@pytest.mark.parametrize("kind", ["pipe", "directory", "device", "missing"])
def test_what_is_no_file_is_named_and_nothing_waits(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.jsonl"
    said = {"pipe": "is no regular file", "directory": "is a directory", "device": "is no regular file", "missing": "there is no such file"}  # fmt: skip
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    for words in (
        ("score", path, *RULE),
        ("execute", path, tmp_path / "out", "--rule", "gsm8k_hash", "--confirm_run_unsafe_code"),
        ("analyze", "corrupted-step", "--data", path),
        ("analyze", "dependency", "X=model", "--data", path),
        ("preview", path),
        ("repro", "--external", path, "calibrate"),
    ):
        assert sentence(run(*words)).startswith(f"{path}: {said[kind]}"), words


def test_half_a_character_is_shown_by_its_number(tmp_path: Path) -> None:
    directory, results, _ = written(tmp_path)
    results.write_text(results.read_text().replace("outputs/a", "\\ud800"))
    content = json.loads(results.read_text())
    content["config"]["model"] = "\ud800x"
    results.write_text(json.dumps(content))
    assert "backend:\\ud800x" in run("signature", directory).output


def test_a_gold_in_scientific_notation_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"question": "q", "output": "#### 10000000000000000", "gold": 1e16}\n')
    options = ("--rule", "gsm8k_hash", "--prediction-field", "output", "--gold-field", "gold")
    assert json.loads(run("score", path, *options, "--json").output)["correct"] == 1
    assert "100.0 [" in run("compare", path, path, *options).output
    path.write_text(path.read_text().replace("1e16", "NaN"))
    assert "the field 'gold' holds NaN" in sentence(run("score", path, *options))


def test_a_field_called_results_makes_no_results_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"question": "q", "results": "#### 5", "gold": 5}\n' * 2)
    options = ("--rule", "gsm8k_hash", "--prediction-field", "results", "--gold-field", "gold")
    assert json.loads(run("score", path, *options, "--json").output)["correct"] == 2


def test_execute_looks_at_its_output_first_and_loses_nothing(tmp_path: Path) -> None:
    options = ("--rule", "gsm8k_hash", "--confirm_run_unsafe_code")
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"resps": [["#### \ud800 1"], ["#### 1"]]}) + "\n")
    missing = tmp_path / "no" / "out.jsonl"
    run_nowhere = run("execute", path, missing, *options)
    assert run_nowhere.stderr == f"Error: {missing}: there is no directory {missing.parent}: create it, or name another place\n"  # fmt: skip
    assert "isolation" not in run_nowhere.stderr, "nothing was run"
    assert "is no regular file" in sentence(run("execute", path, "/dev/null", *options))
    assert Path("/dev/null").is_char_device()
    out = tmp_path / "out.jsonl"
    assert run("execute", path, out, *options).exit_code == 0
    assert json.loads(out.read_text())["resps"] == [["#### \ud800 1"], ["#### 1"]]
    path.write_text("")
    assert "holds no rows" in sentence(run("execute", path, out, *options))
    assert out.read_text(), "the result of before is still there"


@pytest.mark.parametrize("solution", [r"so $\boxed{5$", r"so $\boxed{}$", r"\boxed{1} or \boxed{2"])
def test_a_gold_whose_box_is_not_closed_is_refused_with_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, solution: str
) -> None:
    monkeypatch.setenv("COTMASK_DATA_DIR", str(tmp_path))
    rows = [{"problem": "p", "answer": r"$\boxed 5$", "level": 1}, {"problem": "p", "answer": solution, "level": 1}]
    (tmp_path / "math500.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit, match=r"math500, row 2: the box of the gold .* is empty or not closed: mend"):
        load_math_documents("math500", "answer", signature={})


@pytest.mark.parametrize("options", ["A)1 B)2", [], [1, 2], None])
def test_options_that_are_no_list_of_texts_are_refused(options: Any) -> None:
    with pytest.raises(CoTMaskError, match=r"options is .*, not a list of texts: give one such as"):
        with_choices("q", options)

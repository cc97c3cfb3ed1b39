"""All samples of a question together, out of any number of files, in bounded memory: a database on disk groups them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Self

from axolotl_cotmask.augmentation.samples import Asked, Sampled
from axolotl_cotmask.common.errors import CoTMaskError

_SHOWN = 60  # characters of a text in an error
_NAMES = {"answer": "gold", "solution": "gold solution", "rule": "answer rule", "prompt": "prompt"}
_CACHE = -64_000  # KiB of memory, the minus says


@dataclass(frozen=True)
class Question:
    """A question with all its samples, and its answers without reasoning, each in the order of the texts."""

    asked: Asked
    responses: tuple[str, ...]
    direct: tuple[str, ...]
    place: str


class Pool:
    """Gathers samples; the order in which they come does not matter.

    A context manager: its file goes at the end.

    Raises:
        CoTMaskError: there is no room for the file.
    """

    def __init__(self) -> None:
        # Without a name SQLite makes a file of its own, and takes it away.
        self._database = sqlite3.connect("")
        #: By a digest of its rows in any order: where each file of samples begins.
        self._added: dict[int, str] = {}
        self._database.executescript(
            f"PRAGMA cache_size = {_CACHE}; PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;"
            "CREATE TABLE asked (id INTEGER PRIMARY KEY, question TEXT UNIQUE, asked TEXT, place TEXT);"
            "CREATE TABLE sampled (id INTEGER, direct INTEGER, text TEXT);"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()
        if isinstance(error, sqlite3.OperationalError):
            raise CoTMaskError(
                f"the samples cannot be put together on the disk ({error}): name a directory with room as TMPDIR"
            ) from error

    def add(self, samples: Iterable[Sampled], *, one_prompt: bool = False) -> None:
        """Take samples in.

        Args:
            samples: of `samples.read_sampled`.
            one_prompt: whether all samples of a question that are no direct answers must stem from one prompt.

        Raises:
            CoTMaskError: two samples of a question have another gold, or another prompt; or these were added before.
        """
        place, rows_read, digest = "", 0, 0
        for sampled in samples:
            place, rows_read = place or sampled.place, rows_read + 1
            digest += _digest(sampled)
            direct = bool(sampled.asked.answer_start)
            number = self._number(sampled, one_prompt=one_prompt and not direct)
            rows = ((number, direct, sampled.asked.answer_start + text) for text in sampled.responses)
            self._database.executemany("INSERT INTO sampled VALUES (?, ?, ?)", rows)
        if rows_read > 1 and digest in self._added:
            raise CoTMaskError(
                f"{place}, and {self._added[digest]}: begin the same samples, drawn with the same seed, or a copy: "
                "name one of the two"
            )
        self._added[digest] = place

    def _number(self, sampled: Sampled, one_prompt: bool) -> int:
        asked = sampled.asked
        found = self._database.execute(
            "SELECT id, asked, place FROM asked WHERE question = ?", (asked.question,)
        ).fetchone()
        if found is None:
            row = (asked.question, json.dumps(asdict(asked)), sampled.place)
            added = self._database.execute("INSERT INTO asked (question, asked, place) VALUES (?, ?, ?)", row)
            return int(added.lastrowid or 0)
        number, first, place = found
        other = Asked(**json.loads(first))
        names = ["answer", "solution", "rule", *(["prompt"] if one_prompt and not other.answer_start else [])]
        for name in names:
            if getattr(asked, name) != getattr(other, name):
                both = " and ".join(repr(str(getattr(each, name))[-_SHOWN:]) for each in (asked, other))
                raise CoTMaskError(
                    f"{sampled.place}, and {place}: the {_NAMES[name]} of one question is {both}: give samples of "
                    "the same questions and golds, asked alike"
                )
        if other.answer_start and not asked.answer_start:
            # The prompt of a direct answer is nobody's.
            values = (json.dumps(asdict(asked)), sampled.place, number)
            self._database.execute("UPDATE asked SET asked = ?, place = ? WHERE id = ?", values)
        return int(number)

    def questions(self) -> Iterator[Question]:
        """Yield the questions in the order of their texts."""
        self._database.execute("CREATE INDEX IF NOT EXISTS of_question ON sampled (id)")
        for number, asked, place in self._database.execute("SELECT id, asked, place FROM asked ORDER BY question"):
            texts: tuple[list[str], list[str]] = ([], [])
            for direct, text in self._database.execute("SELECT direct, text FROM sampled WHERE id = ?", (number,)):
                texts[direct].append(text)
            responses, direct_ones = (tuple(sorted(kind)) for kind in texts)
            yield Question(replace(Asked(**json.loads(asked)), answer_start=""), responses, direct_ones, place)


def _digest(sampled: Sampled) -> int:
    texts = json.dumps([sampled.asked.question, sampled.asked.answer_start, sampled.responses])
    return int.from_bytes(hashlib.blake2b(texts.encode(), digest_size=16).digest())

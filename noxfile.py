"""Sessions: `nox -s demo` (the whole way on a laptop), `laptop` (the same with seeds and verdicts), `tests`, `lint`."""

from __future__ import annotations

import hashlib
import os
import time
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
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
LAPTOP = ROOT / "axolotl_cotmask" / "laptop"
#: The newest torch that Axolotl 0.19.0 takes. Left open, pip might choose another build with gigabytes of CUDA.
TORCH = "torch==2.13.0"
SNAKEMAKE = "snakemake==9.27.1"

#: Axolotl on a CPU: no GPU probing, no telemetry.
CPU = {"ACCELERATE_USE_CPU": "true", "AXOLOTL_DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}


@nox.session
def env(session: nox.Session) -> None:
    """Build the environment that the other sessions share; does nothing when pyproject.toml has not changed."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + TORCH.encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        session.log("the environment is up to date")
        return
    session.log("installing Axolotl, torch and the rest: about 4 GB, a few minutes")
    # One command: with torch already chosen, nothing else can pull in another build.
    session.install(TORCH, "--editable", ".[demo,test,lint]", silent=False)
    stamp.write_text(wanted)


def run(session: nox.Session, *command: str, **environment: str) -> None:
    """Run a program of the shared environment."""
    scripts = ENVIRONMENT / SCRIPTS
    path = os.pathsep.join([str(scripts), os.environ.get("PATH", "")])
    session.run(str(scripts / command[0]), *command[1:], external=True, env={**CPU, **environment, "PATH": path})


@nox.session(venv_backend="none", requires=["env", "workflow"])
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest. Real data are used when COTMASK_DATA_DIR names them."""
    environment = {"HF_HUB_OFFLINE": "1"}
    shared = ROOT.parent / "shared" / "data"
    if "COTMASK_DATA_DIR" not in os.environ and shared.is_dir():
        environment["COTMASK_DATA_DIR"] = str(shared)
    # A file's tests stay together: they share what is costly to make.
    run(session, "python", "-m", "pytest", "--numprocesses=2", "--dist=loadfile", *session.posargs, **environment)


@nox.session(venv_backend="none", requires=["env"])
def lint(session: nox.Session) -> None:
    """Check style (ruff) and types (mypy)."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")
    run(session, "mypy")


@nox.session
def vllm(session: nox.Session) -> None:
    """Score a model with vLLM, in an environment of its own; needs a CUDA GPU. Arguments after `--` go to lm_eval."""
    dependencies = nox.project.load_toml("pyproject.toml")["project"]["dependencies"]
    # The tasks need no Axolotl, whose pins exclude vLLM's.
    session.install("vllm", *(package for package in dependencies if not package.startswith("axolotl")))
    session.install("--no-deps", "--editable", ".")
    session.run("lm_eval", "run", "--model", "vllm", "--include_path", str(ROOT / "evaltasks"), *session.posargs)


@nox.session
def workflow(session: nox.Session) -> None:
    """Build the small environment of Snakemake, which cannot share the other one (packaging < 26, against 26.0)."""
    stamp = Path(session.virtualenv.location) / "installed"
    if not stamp.is_file() or stamp.read_text() != SNAKEMAKE:
        session.install(SNAKEMAKE)
        stamp.write_text(SNAKEMAKE)


def reproduce(session: nox.Session, plan: str, output: Path, arguments: list[str], **settings: str) -> None:
    """Run the laptop's workflow by a plan, with ``settings`` of it changed and ``arguments`` for Snakemake."""
    started = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    scripts = [str(environment / SCRIPTS) for environment in (ENVIRONMENT, WORKFLOW)]
    settings |= {"recipes": str(ROOT / "recipes"), "evaltasks": str(ROOT / "evaltasks")}
    session.run(
        str(WORKFLOW / SCRIPTS / "snakemake"),
        *("--snakefile", str(LAPTOP / "Snakefile"), "--configfile", str(LAPTOP / plan), "--directory", str(output)),
        *("--config", *(f"{name}={value}" for name, value in settings.items())),
        *("--cores", "2", "--rerun-incomplete", "--keep-going", "--show-failed-logs", "--quiet", "host", "reason"),
        *arguments,
        external=True,
        env={**CPU, "AXOLOTL_LOG_LEVEL": "WARNING", "PATH": os.pathsep.join([*scripts, os.environ.get("PATH", "")])},
    )
    session.log(f"{(time.monotonic() - started) / 60:.0f} minutes; the report is in {output}")


@nox.session(venv_backend="none", requires=["env", "workflow"])
def laptop(session: nox.Session) -> None:
    """The laptop reproduction: five seeds of every arm, from two bases, with verdicts. Continues when interrupted."""
    reproduce(session, "laptop.yaml", ROOT / "outputs" / "laptop", session.posargs)


@nox.session(venv_backend="none", requires=["env", "workflow"])
def ablate(session: nox.Session) -> None:
    """Train every row of a sweep file: table3 (default), fig3 or selectors. With --tiny on a CPU, scored and drawn.

    Without --tiny it is Llama-2-7B, for eight GPUs, and trained only. Other arguments go to Snakemake.
    """
    words = list(session.posargs)
    sweep = next((word for word in words if word in ("table3", "fig3", "selectors")), "table3")
    others = [word for word in words if word not in (sweep, "--tiny")]
    if "--tiny" in words:
        reproduce(session, "ablation.yaml", ROOT / "outputs" / f"ablation-{sweep}", others, sweep=sweep)
    else:
        recipe, rows = (ROOT / "recipes" / "ablations" / name for name in ("llama2-7b.yaml", f"{sweep}.sweep.yaml"))
        run(session, "axolotl", "train", str(recipe), "--sweep", str(rows), *others)


@nox.session(venv_backend="none", requires=["env", "workflow"])
def demo(session: nox.Session) -> None:
    """The quick version of `laptop`: one seed of SFT and of MFT, scored, compared and drawn."""
    reproduce(session, "quick.yaml", ROOT / "outputs" / "demo", session.posargs)

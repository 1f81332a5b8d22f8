"""The C compiler of this machine, and what tells this machine from others. What is compiled, `compiled_forest` says."""

import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from recs_platform.contracts.manifests import content_key

NO_COMPILER = "no C compiler is installed; install gcc or clang and run again"
COMPILE_SECONDS_MAX = 300

_COMMANDS = ("cc", "gcc", "clang")
# Contraction would round a product and a sum once, where LightGBM rounds twice.
_FLAGS = ("-std=c99", "-O2", "-ftree-vectorize", "-ffp-contract=off", "-fPIC", "-shared")
_OF_THIS_MACHINE = "-march=native"
_CPU_LINES = ("flags", "Features", "model name")  # of /proc/cpuinfo; on ARM the second


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C, and the first line of what it says about its version."""

    command: tuple[str, ...]
    version: str


def find_compiler() -> Compiler | None:
    """The first that works of cc, gcc and clang on the PATH, then the package `ziglang` where it is installed."""
    return next((found for command in _commands() if (found := _answering(command)) is not None), None)


def compile_library(compiler: Compiler, source: Path, library: Path) -> str | None:
    """Compile a C file into a shared library; returns why it could not be, or None.

    For the CPU of this machine where the compiler knows it, for any of its kind otherwise.
    """
    native = _fault(compiler, (*_FLAGS, _OF_THIS_MACHINE), source, library)
    return None if native is None else _fault(compiler, _FLAGS, source, library)


@cache
def machine_key() -> str:
    """Hash of system, architecture and features of the CPU: a library compiled under another may not run here."""
    return content_key({"system": platform.system(), "machine": platform.machine(), "cpu": _cpu_features()})


def _commands() -> Iterator[tuple[str, ...]]:
    yield from ((path,) for name in _COMMANDS if (path := shutil.which(name)) is not None)
    if importlib.util.find_spec("ziglang") is not None:
        yield sys.executable, "-m", "ziglang", "cc"


def _answering(command: tuple[str, ...]) -> Compiler | None:
    """Some machines have a `cc` that only names what to install."""
    output, fault = _run((*command, "--version"))
    return Compiler(command, output.splitlines()[0]) if fault is None and output else None


def _fault(compiler: Compiler, flags: Sequence[str], source: Path, library: Path) -> str | None:
    _, fault = _run((*compiler.command, *flags, "-o", str(library), str(source)))
    return fault


def _run(command: Sequence[str]) -> tuple[str, str | None]:
    """What a command says, and what went wrong."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        return "", f"{command[0]} took more than {COMPILE_SECONDS_MAX} s"
    except OSError as error:
        return "", f"{command[0]} cannot be started: {error}"
    if done.returncode == 0:
        return done.stdout, None
    message = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
    return done.stdout, f"{command[0]} failed with exit code {done.returncode}: {message}"


def _cpu_features() -> list[str]:
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        return sorted({line for line in cpu.read_text().splitlines() if line.startswith(_CPU_LINES)})
    output, _ = _run(("sysctl", "-n", "machdep.cpu.brand_string", "machdep.cpu.features", "machdep.cpu.leaf7_features"))
    return sorted({platform.processor(), *output.splitlines()})

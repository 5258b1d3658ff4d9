"""Versions that made a dataset, where others are installed: physics may not repeat to the bit."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from trajloom.check.checks import Check
from trajloom.check.checks.action_range import ROBOSUITE
from trajloom.findings import Finding
from trajloom.schema import Header

SIMULATORS = ("robosuite", "mujoco")


class Versions(Check):
    """Compares what the header says with what is installed here."""

    def findings(self) -> Iterator[Finding]:
        for name, made in made_with(self.header).items():
            here = installed(name)
            if here is not None and here != made:
                what = f"made with {name} {made}; {here} is installed"
                yield Finding(severity="info", code="version", what=what)


def made_with(header: Header) -> dict[str, str]:
    """Simulator -> version that made the data, where it is known."""
    env_args = header.env_args or {}
    said = {"robosuite": env_args.get("env_version")} if env_args.get("type") == ROBOSUITE else {}
    said.update({name: header.made_by[name] for name in SIMULATORS if name in header.made_by})
    return {name: value for name, value in said.items() if isinstance(value, str) and value != "absent"}


def installed(name: str) -> str | None:
    """The version that is installed, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


CHECK = Versions

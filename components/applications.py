"""The applications of this platform: a new one is its folder, its stages in dvc.yaml, one line."""

from collections import Counter
from pathlib import Path

from components.platform.application import Application, Stage
from components.platform.errors import ParamsError
from components.platform.params import PARAMS, Params, load_params
from components.shop_ranking.application import SHOP_RANKING

APPLICATIONS: tuple[Application, ...] = (SHOP_RANKING,)


def application(name: str) -> Application:
    """Return an application by name.

    Raises:
        ParamsError: there is none of this name.

    """
    for candidate in APPLICATIONS:
        if candidate.name == name:
            return candidate
    names = ", ".join(candidate.name for candidate in APPLICATIONS)
    raise ParamsError(f"one of the applications {names}", repr(name), "name one of them")


def stages() -> dict[str, tuple[Application, Stage]]:
    """Return the stages of all applications by name.

    Raises:
        ParamsError: two applications have a stage of the same name.

    """
    names = Counter(name for owner in APPLICATIONS for name in owner.stages)
    for name, count in names.items():
        if count > 1:
            raise ParamsError(
                f"one application with the stage {name}", f"{count}", "rename the stage in one"
            )
    return {name: (owner, stage) for owner in APPLICATIONS for name, stage in owner.stages.items()}


def read_params(owner: Application, path: Path = PARAMS) -> Params:
    """Read the params of an application; sections of the other applications are passed over.

    Raises:
        ParamsError: the file is absent, is not YAML, has a key that no application knows, or a
            value out of range.

    """
    others = {name for other in APPLICATIONS for name in other.params.model_fields}
    return load_params(owner.params, path, others)


def read_shared_params(path: Path = PARAMS) -> Params:
    """Read what every application has of params.yaml.

    Raises:
        ParamsError: as read_params.

    """
    sections = {name for owner in APPLICATIONS for name in owner.params.model_fields}
    return load_params(Params, path, sections)

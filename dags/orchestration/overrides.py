"""params.yaml of a run: the checkout's, with what the run was told beyond it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.applications import read_params
from components.platform.application import RETRAIN, WARM_START, Application
from components.platform.errors import ParamsError, RegistryError
from components.platform.feedback.served_events import IN_S3
from components.platform.params import Params
from components.platform.registry.policy import POLICY, load_policy


def write_params(
    application: Application, source: Path, target: Path, overrides: Mapping[str, Any]
) -> None:
    """Write the params of the folder `source` with a run's overrides in place.

    Sections of other applications stay as they are: DVC reads the file as a whole.

    Args:
        application: whose run it is.
        source: folder of the checkout.
        target: folder of the run.
        overrides: path in params.yaml -> value; also which parts are trained, and from where.

    Raises:
        ParamsError: an override names no param of the application, or is out of range.
        RegistryError: a part shall be taken over from a champion that does not exist.

    """
    checkout, written = source / "params.yaml", target / "params.yaml"
    values = yaml.safe_load(checkout.read_text()) or {}
    foreign = values.keys() - application.params.model_fields
    values |= read_params(application, checkout).model_dump(mode="json")
    for path, value in overrides.items():
        if path in {RETRAIN, WARM_START}:
            continue
        if path.split(".")[0] in foreign:
            raise ParamsError(
                f"params of {application.name}", path, "override them in runs of their application"
            )
        _set(values, path, value)
    for path in application.paths:
        given = _get(values, path)
        if given and not given.startswith(IN_S3):
            _set(values, path, str((source / Path(given).expanduser()).resolve()))
    params = _write(application, values, written)
    for path, uri in _taken_over(application, source, params.dataset, overrides).items():
        _set(values, path, uri)
    _write(application, values, written)


def _write(application: Application, values: dict[str, Any], path: Path) -> Params:
    """Write values in full: a default that changes in the code must not hide in an equal file."""
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    params = read_params(application, path)
    values |= params.model_dump(mode="json")
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return params


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    *sections, name = path.split(".")
    for part in sections:
        if not isinstance(values.get(part), dict):
            values[part] = {}  # no section of this name: the check says so
        values = values[part]
    values[name] = value


def _get(values: Mapping[str, Any], path: str) -> Any:
    value: Any = values
    for part in path.split("."):
        value = value[part]
    return value


def _taken_over(
    application: Application, source: Path, dataset: str, overrides: Mapping[str, Any]
) -> dict[str, str]:
    """Return the registry address of each part that the run takes over from the champion.

    Keys are paths in params.yaml: `reuse` of a part that is not trained, `start_from` of one that
    goes on from the champion's.
    """
    parts = application.takes_over
    trained = overrides.get(RETRAIN, parts)
    wanted = [part for part in parts if part not in trained or overrides.get(WARM_START)]
    used = {part: "start_from" if part in trained else "reuse" for part in wanted}
    champions = _champions(application, source, dataset, wanted)
    return {f"{part}.{used[part]}": uri for part, uri in champions.items()}


def _champions(
    application: Application, source: Path, dataset: str, parts: Sequence[str]
) -> dict[str, str]:
    if not parts:
        return {}
    from components.platform import tracking  # MLflow takes 3 s to import
    from components.platform.registry.fetching import parent_tag

    policy = load_policy(application, source / POLICY)
    champion = tracking.version_at(policy.leading, policy.aliases.champion)
    if champion is None or champion.tags.get("dataset") != dataset:
        raise RegistryError(
            f"a champion of {policy.leading} on {dataset} to take over {', '.join(parts)} from",
            f"one on {champion.tags.get('dataset')}" if champion else "no champion",
            f"leave {RETRAIN} as it is: {', '.join(application.takes_over)}, "
            f"and {WARM_START} false",
        )
    return {part: f"models:/{champion.tags[parent_tag(part)]}" for part in parts}

"""New versions and aliases: whole before anything points at them, and never twice."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from components.platform import tracking
from components.platform.application import Application, Packages, Run
from components.platform.errors import ModelError, ParamsError
from components.platform.files import scratch_folder, write_json
from components.platform.gate.comparison import Verdict, judge
from components.platform.gate.latency import request_ms
from components.platform.gate.measured import Comparisons, Measured, read_record, write_record
from components.platform.gate.verdict import as_markdown, as_values
from components.platform.packaging.packaging import content_digest
from components.platform.progress import part, say
from components.platform.promotion import promote
from components.platform.registry.fetching import called, fetch, parent_tag
from components.platform.registry.policy import Policy
from components.platform.serving.live_events import LiveEvents
from components.platform.tracking import Package, Version

RECORD = "gate"  # artifact folder of the run that made a version: its verdict and measurements
MOVED = "aliases_moved"  # tag of a version whose registration went through to the end
LATENCY = "latency_ms"


def register(application: Application, run: Run, policy: Policy) -> dict[str, Any]:
    """Register what a run trained, inside an open MLflow run; return the outcome in plain values.

    A challenger that does not pass is a normal outcome: it is registered, its tag `gate` says
    so. Aliases move last, after everything they could point at is whole. Registering the same
    content again makes no new version and moves no alias.

    Raises:
        RegistryError: MLflow does not answer, or a line of the gate names no measure.
        DataError, ModelError: an input of an earlier stage is missing or does not fit.
        ParamsError: the application compares nothing.

    """
    if application.comparisons is None:
        raise ParamsError(
            f"comparisons of the application {application.name}", "none", "give it some"
        )
    with part("comparing"):
        comparisons = application.comparisons(run)
    origin = dict(application.origin(run))
    with part("packaging"):
        packages = {model.key: model.package(run) for model in application.models}
    parts = {
        part.key: register_part(packages[part.key], policy.names[part.key], origin)
        for part in application.parts
    }
    parents = {parent_tag(key): called(part) for key, part in parts.items()}
    version = _register_leading(application, run, policy, comparisons, packages, origin | parents)
    point_aliases(version, policy)
    return summary(application, version, parts, policy)


def register_part(package: Package, name: str, tags: Mapping[str, str]) -> Version:
    """Register a model unless a version has the same content."""
    content = content_digest(package)
    version = tracking.tagged(name, "content", content)
    if version is None:
        version = tracking.register(package, name, {**tags, **package.tags, "content": content})
        say(f"registered {called(version)}")
    return version


def point_aliases(version: Version, policy: Policy) -> None:
    """Move the aliases to a new version: the last step, taken once for a version.

    `challenger` is the newest version whatever the gate said. `champion` moves only where there
    is none yet and the gate was passed; afterwards a person moves it.
    """
    if MOVED in version.tags:
        return
    tracking.move_alias(policy.aliases.challenger, version)
    champion = tracking.version_at(version.name, policy.aliases.champion)
    if champion is None and version.tags["gate"] == "passed":
        promote(policy, version.version, None)
    tracking.tag_version(version, {MOVED: "yes"})


def summary(
    application: Application, version: Version, parts: Mapping[str, Version], policy: Policy
) -> dict[str, Any]:
    """Return what reports/registration.json holds, in plain values that DVC can compare."""
    held = [
        alias
        for alias in (policy.aliases.champion, policy.aliases.challenger)
        if (aliased := tracking.version_at(version.name, alias))
        and aliased.version == version.version
    ]
    with scratch_folder() as scratch:
        record = tracking.run_folder(version, RECORD, scratch)
        verdict = json.loads((record / "verdict.json").read_text())
    return {
        **verdict,
        "aliases": " ".join(held) or "none",
        "versions": {
            application.leading.key: called(version),
            **{key: called(part) for key, part in parts.items()},
        },
    }


def _register_leading(
    application: Application,
    run: Run,
    policy: Policy,
    comparisons: Comparisons,
    packages: Mapping[str, Package],
    tags: Mapping[str, str],
) -> Version:
    """Judge and register the leading model unless a version has the same content.

    The verdict and the measurements go to the run first; the next challenger is compared with
    them, unit by unit.
    """
    package = packages[application.leading.key]
    content = content_digest(package)
    version = tracking.tagged(policy.leading, "content", content)
    if version is not None:
        return version
    verdict = _verdict(application, run, policy, comparisons, packages, tags)
    table = as_markdown(verdict, policy.gate.confidence)
    record = run.scratch / RECORD
    write_record(comparisons.challenger, record)
    write_json(as_values(verdict), record / "verdict.json")
    (record / "verdict.md").write_text(table)
    tracking.log_artifact(record, RECORD)
    own = {**tags, **package.tags, "content": content, "gate": verdict.outcome}
    version = tracking.register(package, policy.leading, own, table)
    say(f"registered {called(version)}\n{table}")
    return version


def _verdict(
    application: Application,
    run: Run,
    policy: Policy,
    comparisons: Comparisons,
    packages: Mapping[str, Package],
    tags: Mapping[str, str],
) -> Verdict:
    """Compare with the champion on the same test rows, with the baselines where there is none."""
    champion = tracking.version_at(policy.leading, policy.aliases.champion)
    folders = {key: package.folder for key, package in packages.items()}
    candidates = {"challenger": Packages("challenger", folders)}
    references: list[Measured] = list(comparisons.baselines)
    if champion is not None:
        reference = _reference(champion, comparisons, tags)
        if isinstance(reference, str):
            return Verdict("not comparable", called(champion), (), (reference,))
        references = [reference]
        if comparisons.requests:
            candidates["champion"] = fetch(application, champion, run.scratch / "champion")
    challenger, references, notes = _timed(application, run, comparisons, candidates, references)
    verdict = judge(challenger, references, policy.gate, run.params.seed)
    return replace(verdict, notes=notes)


def _timed(
    application: Application,
    run: Run,
    comparisons: Comparisons,
    candidates: Mapping[str, Packages],
    references: list[Measured],
) -> tuple[Measured, list[Measured], tuple[str, ...]]:
    """Add the latency of what is served, and why a champion has none.

    Baselines are not packaged, so they have none. Nor has a champion whose package this code
    refuses: one of an older layout, or made by other code. It goes on answering where it is
    loaded; the challenger's latency is held to the line's own limit alone.
    """
    serving = application.serving
    if not comparisons.requests or serving is None or serving.answer is None:
        return comparisons.challenger, references, ()
    load, answer = serving.load, serving.answer
    loaded = {"challenger": load(candidates["challenger"], run.params, LiveEvents())}
    notes: tuple[str, ...] = ()
    if "champion" in candidates:
        try:
            loaded["champion"] = load(candidates["champion"], run.params, LiveEvents())
        except ModelError as error:
            notes = (f"{LATENCY} is not compared with the champion's: {error}",)
            say(notes[0])
    answers = {name: partial(answer, model) for name, model in loaded.items()}
    milliseconds = request_ms(answers, comparisons.requests)
    timed = comparisons.challenger.with_point(LATENCY, milliseconds["challenger"])
    if "champion" in milliseconds:
        references = [references[0].with_point(LATENCY, milliseconds["champion"])]
    return timed, references, notes


def _reference(
    champion: Version, comparisons: Comparisons, tags: Mapping[str, str]
) -> Measured | str:
    """Return the champion's measurements on this run's test rows, or why there are none.

    They are those kept when it was registered, if it was tested on these very rows; else those
    that this run made of it.
    """
    name = called(champion)
    for tag in (*comparisons.never_comparable, *comparisons.comparable):
        theirs, own = champion.tags.get(tag, "none")[:40], tags.get(tag, "none")[:40]
        if theirs != own:
            measured = comparisons.champion
            if tag in comparisons.comparable and measured is not None and measured.model == name:
                return measured
            return f"the champion was tested on {tag} {theirs}, this run on {own}"
    with scratch_folder() as scratch:
        return read_record(tracking.run_folder(champion, RECORD, scratch), name)

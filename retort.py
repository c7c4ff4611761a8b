"""The one entry point: `python retort.py COMMAND`.

Invariant: every heavy package is imported inside the command that needs it, so `--help` answers within
a second; and an error that a user can act on ends in one sentence on stderr and exit status 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Retort distils an expensive team of agents into one small vision-language model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON on stdout.")]


@app.command()
def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            help="A preset such as configs/demo.yaml, then key=value overrides, such as seed=1 "
            "cluster.mode=serial cluster.learners=1"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the resolved config and stop.")] = False,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run folder.")] = None,
) -> None:
    """Distil: demonstrations, reference policy, rounds of relabelled states, evaluation, report."""
    from cluster.config import dump_config, load_config
    from cluster.run import RunFolder

    presets = [Path(argument) for argument in arguments or [] if "=" not in argument]
    if resume is not None:
        presets.append(RunFolder.open(resume).config_file)
    if len(presets) != 1:
        raise ValueError("train takes one preset (such as configs/demo.yaml), or --resume RUN and none")
    config = load_config(presets[0], [argument for argument in arguments or [] if "=" in argument])
    if dry_run:
        from cluster.checks import check_suites

        config.student.folder()
        check_suites(config)
        typer.echo(dump_config(config), nl=False)
        return
    from cluster.train import run_training

    run_training(config, resume)


@app.command()
def eval(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value overrides, such as evaluation.episodes=50")
    ] = None,
    as_json: Json = False,
) -> None:
    """Play every policy of a run on held-out episodes; write the table and the report."""
    from cluster.evaluate import evaluate_run

    evaluate_run(run, overrides or [], as_json)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Write report.html of a run again, from what the run has recorded."""
    from cluster.run import RunFolder
    from evaluation.report import write_report

    typer.echo(write_report(RunFolder.open(run).path))


@app.command()
def pretrain(
    world: Annotated[str, typer.Argument(help="voxel or babyai.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value overrides, such as seed=1 frames=20000")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the base model; default: a fresh run folder.")
    ] = None,
) -> None:
    """Train the base model: grounding on frames with the simulator's free labels, no demonstrations."""
    from cluster.pretrain import run_pretrain

    run_pretrain(world, overrides or [], out)


@app.command()
def bench(
    stage: Annotated[str, typer.Argument(help="world, decide, learner, pipeline, serve, soak or teacher.")],
    as_json: Json = False,
) -> None:
    """Measure a stage beside a peer in the same run."""
    from bench.run import run_bench

    run_bench(stage, as_json)


@app.command()
def ablate(
    run: Annotated[
        Path, typer.Argument(help="A finished run folder: its reference and its samples are used.")
    ],
    losses: Annotated[str, typer.Option(help="Comma-separated rows.")] = "ce,dpo+nll,pure dpo",
    seeds: Annotated[int, typer.Option(help="Seeds per row.")] = 3,
    steps: Annotated[int, typer.Option(help="Optimizer steps of each trial.")] = 800,
    episodes: Annotated[int, typer.Option(help="Validation episodes per suite and trial.")] = 200,
    as_json: Json = False,
) -> None:
    """Compare losses on equal data over several seeds, side by side under Ray Tune."""
    from tune.ablate import run_ablation

    run_ablation(run, losses.split(","), seeds, steps, episodes, as_json)


@app.command()
def serve(
    targets: Annotated[
        list[str],
        typer.Argument(
            help="Run folders, checkpoint folders or shipped base models (the first answers requests that "
            "name none), and key=value overrides, such as port=8001 replicas=2 (docs/serve.md has them all)"
        ),
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="A playground beside it; its keys are watch.port=8001 and so on.")
    ] = False,
) -> None:
    """Serve students over HTTP (POST /v1/act) until it is interrupted."""
    from cluster.serving import run_serve

    students = [target for target in targets if "=" not in target or Path(target).exists()]
    if not students:
        raise ValueError("name what to serve: a run folder, a checkpoint folder or a shipped base model")
    run_serve(students, [target for target in targets if target not in students], watch)


@app.command()
def watch(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value overrides, such as student=URL port=8001 (docs/watch.md has them all)"
        ),
    ] = None,
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
) -> None:
    """A page on which one watches a served student act, or acts in its place."""
    from cluster.watching import run_watch

    run_watch(overrides or [], beside)


@app.command()
def endpoint(
    port: Annotated[int, typer.Option(help="Port to listen on (0: a free one).", max=65535, min=0)] = 8399,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    latency: Annotated[float, typer.Option(help="Seconds that an answer takes.")] = 0.0,
    jitter: Annotated[float, typer.Option(help="By how much of it more or less, by chance.")] = 0.0,
    faults: Annotated[
        float,
        typer.Option(
            help="Share of requests that fail, each in one of these ways: busy (429), error (500), silence, "
            "drop, half a body, no JSON, wrong schema, no choice, refusal, off the grammar, cut off."
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides which.")] = 0,
    wait: Annotated[bool, typer.Option(help="Start none: wait up to 60 s until one listens there.")] = False,
) -> None:
    """An OpenAI-compatible teacher to try: the scripted planners, reading prompts, behind HTTP."""
    if wait:
        from cluster.checks import await_endpoint

        await_endpoint(host, port)
        return
    from teachers.endpoint.faults import FaultConfig
    from teachers.endpoint.server import run_endpoint

    config = FaultConfig(seed=seed, share=faults, latency_s=latency, jitter=jitter)
    run_endpoint(config, host, port)


@app.command()
def calls(
    run: Annotated[Path, typer.Argument(help="A run folder, or a recording of calls (calls.sqlite).")],
    export: Annotated[Path | None, typer.Option(help="Write all calls to this file, as JSON lines.")] = None,
    load: Annotated[Path | None, typer.Option(help="Add the calls of an exported file.")] = None,
) -> None:
    """What the teacher's endpoint was asked: calls, tokens and seconds of each role; export, import."""
    from cluster.calls import run_calls

    run_calls(run, export, load)


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    file: Annotated[Path, typer.Option(help="The file of keys, for `serve keys=FILE`.")] = Path("keys.json"),
    scopes: Annotated[str, typer.Option(help="Comma-separated: act, chat, admin.")] = "act",
    per_minute: Annotated[int, typer.Option(help="Requests a minute; 0: no limit.")] = 0,
) -> None:
    """Make an API key, print it once, and keep its hash."""
    from serve.keys import add_key

    typer.echo(add_key(file, name, [scope.strip() for scope in scopes.split(",")], per_minute))


@app.command()
def play(
    suite: Annotated[
        str, typer.Argument(help="Such as voxel/goal_name or babyai/GoToObj.")
    ] = "voxel/goal_name",
    index: Annotated[int, typer.Option(help="Which episode of the train split.", min=0)] = 0,
    difficulty: Annotated[int, typer.Option(help="1 is easiest.", min=1)] = 2,
    frames: Annotated[Path | None, typer.Option(help="Save each frame as a PNG in this folder.")] = None,
    commands: Annotated[
        str | None, typer.Option(help="Actions split by ';', in place of the keyboard.")
    ] = None,
) -> None:
    """Walk a world by hand, in the terminal or as saved frames."""
    from evaluation.play import play_episode

    play_episode(suite, index, difficulty, frames, commands.split(";") if commands is not None else None)


@app.command()
def doctor(
    runs_dir: Annotated[Path, typer.Option(help="Where runs would be written.")] = Path("runs"),
) -> None:
    """Check this machine and say what to do."""
    from rich.console import Console
    from rich.table import Table

    from cluster.doctor import examine

    table = Table("what", "found", "verdict", "advice")
    findings = examine(runs_dir)
    for finding in findings:
        table.add_row(finding.what, finding.value, finding.verdict, finding.advice)
    Console().print(table)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(2)


def main() -> None:
    """Run the command line; an error that the user can mend becomes one sentence and exit status 2
    (with RETORT_DEBUG=1, its traceback too)."""
    from cluster.run import RunFailed, RunPaused

    try:
        app()
    except RunPaused as pause:
        typer.echo(f"paused: {pause}")
    except (ValueError, OSError, RunFailed) as error:
        if "RETORT_DEBUG" in os.environ:
            raise
        typer.echo(f"retort: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

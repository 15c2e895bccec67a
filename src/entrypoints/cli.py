"""The command `imaging`. Imports nothing heavy before a command needs it, so that --help answers at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from entrypoints.keys_cli import keys_app

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from entrypoints.settings import Settings

    Command = Callable[[Settings], Awaitable[int]]

app = typer.Typer(
    name="imaging",
    help="Asynchronous image generation on the Stability AI API or a local Stable Diffusion WebUI.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Volatile = Annotated[
    bool,
    typer.Option("--allow-volatile", help="Start on a Redis that may lose jobs (no append-only file, or evicting)."),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def imaging(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Asynchronous image generation on the Stability AI API or a local Stable Diffusion WebUI."""


def _stop_with(message: str) -> NoReturn:
    typer.echo(f"imaging: {message}", err=True)
    raise typer.Exit(1)


@app.command(short_help="Run API, worker and page here in one go; no Redis.")
def up(no_gui: Annotated[bool, typer.Option("--no-gui", help="Without the page.")] = False) -> None:
    """Run everything here in one go: API, worker and GUI, with no Redis. Data goes to IMAGING_DATA_DIR."""
    from entrypoints.processes import run_up  # noqa: PLC0415

    _run(lambda settings: run_up(settings, gui=not no_gui), embedded=True)


@app.command()
def api(allow_volatile: Volatile = False) -> None:
    """Run the API over IMAGING_REDIS_URL."""
    from entrypoints.processes import run_api  # noqa: PLC0415

    _run(run_api, allow_volatile=allow_volatile or None)


@app.command()
def worker(
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="Serve only this backend; may be repeated. All that are set up by default.",
        ),
    ] = None,
    allow_volatile: Volatile = False,
) -> None:
    """Run a worker over IMAGING_REDIS_URL. SIGTERM lets running jobs end."""
    from entrypoints.processes import run_worker  # noqa: PLC0415

    _run(lambda settings: run_worker(settings, backend or []), allow_volatile=allow_volatile or None)


@app.command(short_help="Run the page, which talks to the API.")
def gui() -> None:
    """Run the page, which talks to the API at IMAGING_API_URL (http://127.0.0.1:8000 by default)."""
    from entrypoints.processes import run_gui  # noqa: PLC0415

    _run(run_gui)


@app.command()
def doctor(
    everything: Annotated[bool, typer.Option("--all", help="Also the settings that have their defaults.")] = False,
) -> None:
    """Show what the settings mean and whether each part answers."""
    from entrypoints.doctor import run_doctor  # noqa: PLC0415

    _run(lambda settings: run_doctor(settings, everything=everything))


@app.command(short_help="Whether a part on this machine is alive.")
def health(part: Annotated[str, typer.Argument(help="api, worker or gui")]) -> None:
    """Whether a part on this machine is alive: for container health checks."""
    from entrypoints.health import check_health  # noqa: PLC0415

    _run(lambda settings: check_health(settings, part))


@app.command(short_help="Make pictures: on the running service, or here.")
def generate(  # noqa: PLR0917  # every option is one the command line names
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    backend: Annotated[str | None, typer.Option(help="stability, local, demo or auto.")] = None,
    negative_prompt: Annotated[
        str | None, typer.Option("--negative", "--negative-prompt", help="What to avoid.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Checkpoint or Stability model.")] = None,
    sampler: Annotated[str | None, typer.Option(help="How it is sampled; the WebUI's names.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="In which steps; the WebUI's names.")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampling steps.")] = None,
    cfg_scale: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    aspect_ratio: Annotated[str | None, typer.Option(help="Width to height, such as 16:9.")] = None,
    width: Annotated[int | None, typer.Option(help="px")] = None,
    height: Annotated[int | None, typer.Option(help="px")] = None,
    style_preset: Annotated[str | None, typer.Option(help="A style, such as photographic.")] = None,
    output_format: Annotated[
        str | None, typer.Option("--format", "--output-format", help="png, jpeg or webp, as the model allows.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same one gives the same picture; drawn by default.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to begin with.")] = None,
    mask: Annotated[Path | None, typer.Option(help="As large as the picture; what is white is painted anew.")] = None,
    strength: Annotated[float | None, typer.Option(help="How much of the picture may change, 0 to 1.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures.")] = 1,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of sentences.")] = False,
) -> None:
    """Make pictures: on the running service if there is one, else right here. Ctrl-C cancels the job.

    Exit status: 0 with all pictures, 1 without some, 130 when the job was cancelled.
    """
    from entrypoints.generate import Order, run_generate  # noqa: PLC0415

    wanted = {
        "negative_prompt": negative_prompt,
        "checkpoint": model,
        "sampler": sampler,
        "scheduler": scheduler,
        "steps": steps,
        "cfg_scale": cfg_scale,
        "aspect_ratio": aspect_ratio,
        "width": width,
        "height": height,
        "style_preset": style_preset,
        "output_format": output_format,
        "seed": seed,
        "strength": strength,
    }
    order = Order(prompt=prompt, backend=backend, settings=wanted, image=image, mask=mask, out=out, count=count)
    _run(lambda settings: run_generate(settings, order, as_json=as_json), embedded=True)


@app.command(short_help="Compare jobs with pictures; remove what crashes left.")
def repair(
    check: Annotated[bool, typer.Option("--check", help="Only tell what is wrong; change nothing.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Judge also what was written within the last hour.")] = False,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="The data folder's jobs, though IMAGING_REDIS_URL is set.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of sentences.")] = False,
) -> None:
    """Compare jobs with pictures and remove what crashes left; 0 when nothing is wrong any more, else 1."""
    from entrypoints.repair import run_repair  # noqa: PLC0415

    _run(lambda settings: run_repair(settings, mend=not check, now=now, embedded=embedded, as_json=as_json))


@app.command(short_help="Give back to the disk what deleted jobs took.")
def compact() -> None:
    """Give back to the disk what deleted jobs took in the database of IMAGING_DATA_DIR; the service must be stopped."""
    from entrypoints.compact import run_compact  # noqa: PLC0415

    _run(run_compact)


@app.command(short_help="Copy jobs and pictures, also of a running service.")
def backup(
    target: Annotated[Path, typer.Argument(help="A new folder.")],
    copy: Annotated[bool, typer.Option("--copy", help="Copy pictures also where hard links would do.")] = False,
) -> None:
    """Copy the jobs and pictures of IMAGING_DATA_DIR, also while `imaging up` runs."""
    from entrypoints.backup import run_backup  # noqa: PLC0415

    _run(lambda settings: run_backup(settings, target, link=not copy))


@app.command(short_help="Check a backup and put it into an empty data folder.")
def restore(source: Annotated[Path, typer.Argument(help="A folder that `imaging backup` made.")]) -> None:
    """Check a backup and put it into IMAGING_DATA_DIR, which must be empty."""
    from entrypoints.backup import run_restore  # noqa: PLC0415

    _run(lambda settings: run_restore(settings, source))


@app.command(short_help="Fetch the checkpoints of a list, whole and checked.")
def download(
    listed: Annotated[Path, typer.Option("--list", help="A TOML list of files with url, size and sha256.")],
    into: Annotated[Path, typer.Option("--into", help="Folder to put them in.")],
) -> None:
    """Fetch the checkpoints of a list: whole, checked, resumed, skipped when there."""
    from entrypoints.download import DownloadError, fetch, read_list  # noqa: PLC0415

    try:
        for entry in read_list(listed):
            fetch(entry, into, typer.echo)
    except DownloadError as error:
        _stop_with(str(error))


@app.command()
def version() -> None:
    """Show the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    typer.echo(installed("imaging-service"))


def _run(command: "Command", *, embedded: bool = False, **overrides: bool | None) -> None:
    """Run a command over the settings; what a person can mend is one sentence and exit status 1, never a traceback."""
    import asyncio  # noqa: PLC0415

    from entrypoints.logs import configure_logging  # noqa: PLC0415
    from entrypoints.settings import SettingsError, load_settings  # noqa: PLC0415
    from entrypoints.stopping import StoppedEarly  # noqa: PLC0415
    from imaging_core.errors import ImagingError  # noqa: PLC0415

    try:
        settings = load_settings(None, **overrides)
        if embedded and settings.demo is None and settings.demo_by_default:
            settings = settings.model_copy(update={"demo": True})
        configure_logging(settings.log_level, settings.log_format)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(_called(command, settings))
    except (SettingsError, ImagingError) as error:
        _stop_with(str(error))
    except StoppedEarly:
        code = 0
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


async def _called(command: "Command", settings: "Settings") -> int:
    import asyncio  # noqa: PLC0415

    # The first time that anything is waited for, nearly all is loaded.
    asyncio.get_running_loop().call_soon(_collect_garbage)
    return await command(settings)


def _collect_garbage() -> None:
    """From here on, but not among what is there by now, which is the program itself."""
    import gc  # noqa: PLC0415

    gc.freeze()
    # Python's own 700 and 10 are for small programs: with jobs under way nearly all that is young is in use, and each
    # look at it finds nothing, for half a millisecond of processor time per picture.
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


app.add_typer(keys_app(_run))

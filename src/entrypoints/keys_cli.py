"""The options of `imaging keys`; imports typer, and what a command needs when it runs."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from entrypoints.settings import Settings

    Run = Callable[[Callable[[Settings], Awaitable[int]]], None]

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of sentences.")]


def keys_app(run: "Run") -> typer.Typer:
    """The commands, each run by `run` over the settings."""
    app = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

    @app.command()
    def create(  # noqa: PLR0917  # every option is one the command line names
        name: Annotated[str, typer.Argument(help="What you call it.")],
        scope: Annotated[
            list[str] | None,
            typer.Option(
                "--scope",
                metavar="SCOPE",
                help="read, submit or admin; may be repeated. All for the first key, then read and submit.",
            ),
        ] = None,
        max_queued: Annotated[int | None, typer.Option(help="Jobs of one backend that may wait.")] = None,
        rate: Annotated[int | None, typer.Option(help="Requests in a minute.")] = None,
        credits_per_day: Annotated[float | None, typer.Option(help="Credits in a day, by UTC.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Make a key and show it, this once."""
        from entrypoints.keys_command import create_key  # noqa: PLC0415

        limits = {"max_queued": max_queued, "requests_per_minute": rate, "credits_per_day": credits_per_day}
        run(lambda settings: create_key(settings, name, scope, limits, as_json=as_json))

    @app.command("list")
    def list_(as_json: AsJson = False) -> None:
        """Show every key, without its secret."""
        from entrypoints.keys_command import list_keys  # noqa: PLC0415

        run(lambda settings: list_keys(settings, as_json=as_json))

    @app.command(short_help="Make a key good for nothing.")
    def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `imaging keys list` shows it.")]) -> None:
        """Make a key good for nothing: at once, or within 5 s where other processes answer."""
        from entrypoints.keys_command import revoke_key  # noqa: PLC0415

        run(lambda settings: revoke_key(settings, key_id))

    return app

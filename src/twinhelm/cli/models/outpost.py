"""``export`` an approved version as a folder; ``serve`` such folders on a machine of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinhelm.cli.asked import Asked, command
from twinhelm.cli.models.products import PANEL, Name, path_of
from twinhelm.cli.place import settings_of
from twinhelm.cli.up import Ending

if TYPE_CHECKING:
    from twinhelm.mlops.register.exported import Exported

__all__ = ["app", "export", "serve"]

app = typer.Typer()


@command(app.command(rich_help_panel=PANEL))
def export(
    to: Asked,
    name: Name,
    version: Annotated[str, typer.Argument(help="An approved version.", show_default=False)],
    target: Annotated[Path, typer.Argument(help="The folder to write, on the server.")],
    key: Annotated[
        Path | None, typer.Option(help="Write the public key that verifies it to this file.")
    ] = None,
) -> None:
    """Write an approved version into a folder, for `twinhelm serve` on another machine."""
    wish, path = {"target": str(target.absolute())}, path_of(name, "versions", version, "export")
    made = to.reach().post(path, wish, patient=True)
    if key is not None:
        key.write_text(made["key"], encoding="ascii")
    to.answer(made, f"{name} {version} lies in {made['folder']}.")


@command(app.command(rich_help_panel=PANEL), ("as_json",))
def serve(
    to: Asked,
    folders: Annotated[list[Path], typer.Argument(help="What `twinhelm export` wrote.")],
    key: Annotated[Path, typer.Option(help="The public key of the house that exported it.")],
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT; port 0 takes a free one.", show_default=False)
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option(help="A file of secrets, of which whoever asks must show one.")
    ] = None,
    python: Annotated[
        str, typer.Option(help="The interpreter that has the models' libraries; else this one.")
    ] = "",
) -> None:
    """Answer for exported versions, without a house; it ends on SIGTERM or Ctrl-C."""
    ending = Ending()
    flags: dict[str, Any] = {} if listen is None else {"server": {"listen": listen}}
    flags |= {} if tokens is None else {"auth": {"required": True}}
    settings = settings_of(None, flags)

    from twinhelm.core.logs import configure_logs
    from twinhelm.mlops.register.seal import Verifier
    from twinhelm.web.outpost import Tokens, serve_outpost

    def tell(url: str, found: Iterable[Exported]) -> None:
        ending.begun = True
        serves = [each.version.ref for each in found]
        to.answer({"url": url, "serves": serves}, f"Serving {', '.join(serves)} at {url}")

    configure_logs(settings.tracing)
    verifier, known = Verifier(key), Tokens(tokens)
    serve_outpost(folders, verifier, settings, tokens=known, python=python, on_ready=tell)

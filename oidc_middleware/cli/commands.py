"""The commands and their options. Each prints what another file found out, and turns it into an exit code."""

from __future__ import annotations

import base64
import json
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Any, Final

import typer

from oidc_middleware import __version__
from oidc_middleware.audit import escaped
from oidc_middleware.cli.check import check_everything
from oidc_middleware.cli.show import print_report
from oidc_middleware.cli.sign_out import Ended, end_everywhere
from oidc_middleware.clock import SystemClock
from oidc_middleware.errors import ConfigError, Unavailable
from oidc_middleware.flows.revocation import MEMORY_SECONDS


class Code(IntEnum):
    """What the commands end with, the same for all."""

    DONE = 0
    #: Problems were found, or what had to be reached was not.
    FAILED = 1
    #: Wrong usage, or settings that cannot be used.
    UNUSABLE = 2
    #: A fault of this package (``EX_SOFTWARE`` of sysexits.h).
    FAULT = 70


app: Final = typer.Typer(
    help="OpenID Connect login in front of any ASGI or WSGI app: what operators do from a shell.",
    epilog="Settings are read from the same OIDC_* variables as the app's.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they show local variables, and with them secrets
)

Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]


def run(argv: Sequence[str]) -> int:
    """Run a command. Returns its exit code."""
    try:
        app(list(argv), prog_name="oidc-middleware")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Code.DONE
    except Exception as error:  # noqa: BLE001  # its text is left out: libraries put secrets into theirs (catalogue LG-01)
        place = "".join(traceback.format_tb(error.__traceback__))
        sys.stderr.write(f"oidc-middleware: internal error: {type(error).__name__}\n{place}")
        return Code.FAULT
    return Code.DONE


def _version(wanted: bool) -> None:
    if wanted:
        print(f"oidc-middleware {__version__}")
        raise typer.Exit


@app.callback()
def _everything(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version and end.")] = False,
) -> None:
    pass


@app.command("sign-out-everywhere")
def sign_out_everywhere(
    subject: Annotated[str, typer.Option(help="Whom: the `sub` claim, which the app sees as user.identity. No e-mail address.")],
    issuer: Annotated[str | None, typer.Option(help="Whose: the issuer, if OIDC_ISSUER does not say it already.")] = None,
    as_json: Json = False,
) -> None:
    """End all sessions of a user, on every device.

    Needs `store`, or `revocation` in cookie mode. Exits with 0 when done, 1 when the store could not be reached, 2 for wrong usage or settings.
    """
    try:
        ended = end_everywhere(subject, issuer)
    except ConfigError as error:
        raise _unusable(error, as_json=as_json) from None
    except Unavailable as error:
        _failed({"result": "failed", "code": error.code, "detail": escaped(error.detail)}, _not_reached(error), as_json=as_json)
        raise typer.Exit(Code.FAILED) from None
    _told(ended, as_json=as_json)


def _told(ended: Ended, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"result": "done", **ended._asdict()}))
        return
    print(f"Signed out everywhere: {escaped(ended.subject)} of {ended.issuer}.")
    if ended.sessions is None:
        print(f"Every session that began until now is over. Workers hear of it within {MEMORY_SECONDS:.0f} seconds.")
    elif ended.sessions:
        print(f"{ended.sessions} session{'s' * (ended.sessions > 1)} ended.")
    else:
        print("There was no session to end. Is this the `sub` claim of the user, and this the store of the app?")


def _not_reached(error: Unavailable) -> str:
    return f"Not done, or not completely: the store failed ({error.code}: {escaped(error.detail)}).\nMend that, and run the command again."


def _unusable(error: ConfigError, *, as_json: bool) -> typer.Exit:
    _failed({"result": "unusable", "problems": list(error.problems)}, str(error), as_json=as_json)
    return typer.Exit(Code.UNUSABLE)


def _failed(answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer))
    else:
        sys.stderr.write(f"{text}\n")


@app.command()
def check(
    probe: Annotated[bool, typer.Option(help="Ask the provider about this client, too: a request to each of two endpoints, without a user.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems.")] = False,
    as_json: Json = False,
) -> None:
    """Read the settings, ask the provider and the store, and tell everything that is wrong, with what to do.

    Exits with 0 when all is well, 1 when there are problems, 2 when the settings cannot be used at all.
    """
    try:
        report = check_everything(probe=probe)
    except ConfigError as error:
        raise _unusable(error, as_json=as_json) from None
    failed = bool(report.problems or (strict and report.warnings))
    if as_json:
        print(json.dumps({"result": "problems" if failed else "ok", **report.as_dict()}, indent=2))
    else:
        print_report(report)
    if failed:
        raise typer.Exit(Code.FAILED)


@app.command()
def secret() -> None:
    """Write a fresh value for `secret_key`, from 32 random bytes."""
    print(base64.urlsafe_b64encode(SystemClock.random(32)).rstrip(b"=").decode("ascii"))


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def provider(context: typer.Context) -> None:
    """Run the development provider; its options: provider --help."""
    from oidc_middleware.provider.__main__ import main as run_provider  # noqa: PLC0415  # brings a web framework, which no other command needs

    raise typer.Exit(run_provider(context.args, "oidc-middleware provider"))

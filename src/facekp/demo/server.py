"""The page on a port of this machine."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, MissingExtraError
from .looking import MAX_BYTES, Looker

if TYPE_CHECKING:
    from gradio import Blocks

__all__ = ["gradio", "launch", "local", "serving"]

log = logging.getLogger(__name__)


def gradio() -> Any:
    """The module, told first to report nothing to anybody.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_RUN_HISTORY"] = "False"  # it would keep every picture in the browser
    try:
        import gradio as gr
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != "gradio":
            raise
        raise MissingExtraError("gradio", "demo") from None
    return gr


def local(host: str) -> bool:
    """Whether only this machine can reach a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def launch(page: Blocks, *, host: str = "127.0.0.1", port: int = 7860, wait: bool = False) -> str:
    """Serve a page of :func:`build`.  Never a public link: Gradio's ``share`` is off.

    Args:
        page: what to serve.
        host: the address to listen on.  With another than the loopback's, everybody who reaches this machine can use
            the page: it has no password, and a warning says so.
        port: 0 takes any that is free.
        wait: return only when the server has ended; else it runs until ``page.close()``.

    Returns:
        The page's address.

    Raises:
        ArgumentError: the port is taken or not a port, or the host is not this machine's.
    """
    gr = gradio()
    from .page import file

    port = _free(host, port)
    if not local(host):
        log.warning("warning: everybody who can reach %s can use the page: it has no password", host)
    theme = gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        # Fonts of the machine: nothing is fetched.
        font=["ui-sans-serif", "system-ui", "Segoe UI", "Liberation Sans", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "Liberation Mono", "monospace"],
    )
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            inbrowser=False,
            quiet=True,
            show_error=False,
            prevent_thread_lock=True,
            ssr_mode=False,
            enable_monitoring=False,
            max_file_size=MAX_BYTES,
            footer_links=["gradio", "settings"],
            theme=theme,
            css=file("page.css"),
        )
    except (OSError, ValueError) as error:  # ValueError: a proxy stands between this program and its own page
        raise ArgumentError(f"--host {host} --port {port}: cannot be served there ({error})") from None
    if wait:
        page.block_thread()
    bare = host.strip("[]")
    name = f"[{bare}]" if ":" in bare else bare
    return f"http://{name}:{port}"


@contextmanager
def serving(
    looker: Looker | None = None, *, host: str = "127.0.0.1", port: int = 7860, folder: str | None = None
) -> Iterator[str]:
    """Build the page and serve it as long as the context lasts; then its uploads are deleted.

    Args:
        looker: models, finders, and which of them are chosen at first; by default those in the package.
        host: the address to listen on.
        port: 0 takes any that is free.
        folder: where uploads are kept meanwhile, in a folder of their own; the system's temporary one unless told.

    Yields:
        The page's address.

    Raises:
        ArgumentError: the port is taken, or the host is not this machine's.
        MissingExtraError: Gradio is not installed.
    """
    gradio()
    from .page import build

    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="facekp-demo-", dir=folder, ignore_cleanup_errors=True) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        try:
            page = build(looker)
            address = launch(page, host=host, port=port)
            try:
                yield address
            finally:
                page.close(verbose=False)
        finally:
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before


def _free(host: str, port: int) -> int:
    """The port, or for 0 one that is free.

    Raises:
        ArgumentError: it is taken or no port, or the host is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does: not kept by the last run
            probe.bind((host.strip("[]"), port))
            probe.listen(1)
            return int(probe.getsockname()[1])
    except (OSError, OverflowError, UnicodeError) as error:  # UnicodeError: of a name that can be none
        reason = getattr(error, "strerror", None) or error
        raise ArgumentError(f"--host {host} --port {port}: {reason}; choose another, or --port 0 for any") from None

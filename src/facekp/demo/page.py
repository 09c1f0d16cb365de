"""The page: Gradio's parts, and what happens when somebody uses them."""

from __future__ import annotations

import html
import logging
import tempfile
from collections.abc import Callable
from functools import wraps
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, FacekpError
from ..sample import Sample
from . import saving
from .looking import Found, Looker, told
from .server import gradio
from .view import Edited, edited, heat_view, view

if TYPE_CHECKING:
    from gradio import Blocks

__all__ = ["build", "file"]

log = logging.getLogger(__name__)

TITLE = """
# facekp
Find the points of faces, look at them, mend them, save them. Pictures stay on the machine that serves this page.
"""
HELP = """
**Look.** Click a point, or press Tab until you reach it: its name, place and score are told below the picture. Hollow
points have a score under 0.5. The coloured buttons show and hide groups of points. Zoom with `+` and `-`, or with Ctrl
and the wheel; drag the picture to move it.

**Correct.** Drag a wrong point, or choose it and press the arrow keys: a quarter of a pixel each, two pixels with
Shift. Del marks a point that cannot be seen as missing, Ctrl+Z takes the last change back, Esc leaves the points.

**Save.** A score says how likely the model's point is right; a point that you moved has score 1. To make a data set,
correct a picture, *add it to the set*, go on with the next, and save the set at the end.
"""
# A download begins when its button is pressed, which Gradio leaves to people.
PRESS = "() => { setTimeout(() => document.querySelector('#fk-file').click(), 60); }"
HOUR = 3600


def file(name: str) -> str:
    """The text of one of the page's own files."""
    return (resources.files(__package__) / name).read_text("utf-8")


def build(looker: Looker | None = None) -> Blocks:
    """Make the page; :func:`launch` serves it.

    Args:
        looker: models, finders, and which of them are chosen at first; by default those in the package.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    gr = gradio()
    parts = _Parts(looker or Looker())
    with gr.Blocks(title="facekp", analytics_enabled=False, delete_cache=(HOUR, 24 * HOUR)) as page:
        gr.Markdown(TITLE, elem_id="fk-title")
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                parts.controls(gr)
            with gr.Column(scale=4, min_width=320):
                parts.stage(gr)
                parts.savers(gr)
                with gr.Accordion("How to use this page", open=False):
                    gr.Markdown(HELP)
        parts.connect(gr)
    page.queue(max_size=64)
    return page


def _safely(outputs: int, *, clear: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What goes wrong becomes a sentence in the page: nobody is shown a traceback.

    Args:
        outputs: how many outputs the handler has before its last one, the message.
        clear: on an error they are emptied; else they stay as they are.
    """

    def around(handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        def safe(self: _Parts, *given: Any) -> Any:
            try:
                return handler(self, *given)
            except FacekpError as error:
                text = " ".join(str(error).split())
            except Exception as error:  # the outermost layer; the log gets all of it
                log.exception("the page: unexpected %s", type(error).__name__)
                text = f"Something unexpected went wrong ({type(error).__name__}). The server's log says more."
            return (*[None if clear else gradio().skip()] * outputs, message(text, "wrong"))

        return safe

    return around


def message(text: str, kind: str = "plain") -> str:
    """A sentence as the page shows it: ``plain``, ``good`` or ``wrong``."""
    role = "alert" if kind == "wrong" else "status"
    return f'<div class="fk-told" data-kind="{kind}" role="{role}">{html.escape(text)}</div>' if text else ""


class _Parts:
    """The page's components by name, and their handlers."""

    def __init__(self, looker: Looker) -> None:
        self.looker = looker

    # ------------------------------------------------------------ layout

    def controls(self, gr: Any) -> None:
        sources = ["upload", "webcam", "clipboard"]
        self.picture = gr.Image(
            label="Picture",
            sources=sources,
            type="filepath",
            image_mode=None,
            # Gradio would save what a mirror shows, in which the model takes each person's left for the right.
            webcam_options=gr.WebcamOptions(mirror=False),
            height=250,
            elem_id="fk-picture",
        )
        self.model = gr.Dropdown(self.looker.models, value=self.looker.models[0], label="Model", elem_id="fk-model")
        self.finder = gr.Dropdown(
            self.looker.finders, value=self.looker.finders[0], label="Face finder", elem_id="fk-finder"
        )

    def stage(self, gr: Any) -> None:
        self.told = gr.HTML("", elem_id="fk-message")
        self.canvas = gr.HTML(
            None,
            html_template=file("page.html"),
            js_on_load=file("page.js") + file("edit.js"),
            apply_default_css=False,
            elem_id="fk-canvas",
            heat=None,
        )
        self.found = gr.State(None, time_to_live=HOUR)
        self.shown = gr.State(None, time_to_live=HOUR)
        self.kept = gr.State({}, time_to_live=24 * HOUR)
        self.edits = gr.Textbox("", elem_id="fk-edits", show_label=False, container=False)
        self.file = gr.DownloadButton("Saved", elem_id="fk-file")

    def savers(self, gr: Any) -> None:
        with gr.Row(elem_id="fk-downloads"):
            self.buttons = {
                kind: gr.Button(
                    f"Download {kind.upper()}", size="sm", min_width=80, elem_id=f"fk-{kind}", interactive=False
                )
                for kind in saving.PICTURES
            }
        with gr.Accordion("Make a data set", open=False, elem_id="fk-set"):
            self.kind = gr.Dropdown(
                [(f"{name}: {words}", name) for name, words in saving.FORMATS.items()],
                value="folder",
                label="Format",
                elem_id="fk-format",
            )
            with gr.Row():
                self.add = gr.Button("Add picture to the set", size="sm", elem_id="fk-add", interactive=False)
                self.save_set = gr.Button("Save the set", size="sm", variant="primary", elem_id="fk-save-set")
                self.empty = gr.Button("Empty the set", size="sm", elem_id="fk-empty-set")
            self.count = gr.Markdown(_counted({}), elem_id="fk-count")

    def connect(self, gr: Any) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "queue": True}
        gr.on(
            [self.picture.change, self.model.change, self.finder.change],
            self.look,
            [self.picture, self.model, self.finder],
            [self.found, self.shown, self.canvas, *self.buttons.values(), self.add, self.told],
            preprocess=False,  # facekp reads the file itself: its messages, its limits, its idea of upright
            show_progress="minimal",
            trigger_mode="always_last",
            **private,
        )

        def heat(found: Any, event: gr.EventData) -> Any:  # Gradio looks for the annotation
            return self.heat(found, event)

        heat.__annotations__["event"] = gr.EventData
        self.canvas.select(heat, self.found, [self.canvas, self.told], show_progress="hidden", **private)
        for kind, button in self.buttons.items():
            self._download(button, _named(self.save, kind), [self.found, self.shown, self.edits], private)
        kept = [self.kept, self.count, self.told]
        self.add.click(self.keep, [self.found, self.shown, self.edits, self.kept], kept, **private)
        self.empty.click(self.forget, None, kept, **private)
        inputs = [self.found, self.shown, self.edits, self.kept, self.kind]
        self._download(self.save_set, self.pack, inputs, private)

    def _download(self, button: Any, handler: Any, inputs: list[Any], private: dict[str, Any]) -> None:
        saved = button.click(handler, inputs, [self.file, self.told], show_progress="minimal", **private)
        saved.success(None, js=PRESS)

    # ------------------------------------------------------------ handlers

    @_safely(outputs=0)
    def _looked(self, picture: Any, model: str, finder: str) -> Any:
        path, name = _uploaded(picture)
        found = self.looker.look(path, name, model, finder)
        return found, message(told(found), "good" if found.faces else "wrong")

    def look(self, picture: Any, model: str, finder: str) -> tuple[Any, ...]:
        """A new picture, model or finder; what was shown before goes away, whatever comes of it."""
        found: Found | None = None
        *some, says = self._looked(picture, model, finder) if picture else (None, "")
        if some:
            found = some[0]
        shown = None if found is None else view(found)
        able = gradio().update(interactive=bool(found and found.faces))
        # The server keeps no second copy of the picture that the browser has.
        slim = None if shown is None else {"id": shown["id"]}
        return (found, slim, shown, *[able] * (len(self.buttons) + 1), says)

    @_safely(outputs=1)
    def heat(self, found: Found | None, event: Any) -> Any:
        """The map of the point that was chosen."""
        if found is None:
            return gradio().skip(), gradio().skip()
        face, point = int(event.face), int(event.point)
        seen = heat_view(self.looker.heat(found, face, point), face, point, int(event.id))
        return gradio().HTML(heat=seen), gradio().skip()

    @_safely(outputs=1, clear=True)  # so that no older file is downloaded
    def save(self, kind: str, found: Found | None, shown: Any, text: str) -> Any:
        """A file of the present picture."""
        there, faces = _present(found, shown, text)
        path = saving.save(kind, there, faces, Path(tempfile.mkdtemp(dir=_folder())))
        return str(path), message(f"Saved {path.name}.", "good")

    @_safely(outputs=2)
    def keep(self, found: Found | None, shown: Any, text: str, kept: dict[str, list[Sample]]) -> Any:
        """The present picture goes into the set, or, a second time, takes its own place there."""
        there, faces = _present(found, shown, text)
        kept = {**kept, str(there.path): saving.samples(there, faces)}
        return kept, _counted(kept), message(f"{there.name} is in the set.", "good")

    @_safely(outputs=2)
    def forget(self) -> Any:
        """An empty set."""
        return {}, _counted({}), message("The set is empty.")

    @_safely(outputs=1, clear=True)
    def pack(self, found: Found | None, shown: Any, text: str, kept: dict[str, list[Sample]], kind: str) -> Any:
        """The set as a file; where nothing was added, the present picture."""
        if not kept:
            there, faces = _present(found, shown, text)
            kept = {str(there.path): saving.samples(there, faces)}
        every = [sample for one in kept.values() for sample in one]
        path = saving.save_set(every, kind, Path(tempfile.mkdtemp(dir=_folder())))
        return str(path), message(f"Saved {path.name}: {_counted(kept)}", "good")


def _named(handler: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def save(*given: Any) -> Any:
        return handler(kind, *given)

    return save


def _folder() -> str:
    """Where Gradio may serve files from."""
    from gradio.utils import get_upload_folder

    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _uploaded(picture: Any) -> tuple[Path, str]:
    """Where an uploaded picture lies, and what it was called; Gradio has seen to it that it is an upload."""
    path = picture.get("path") if isinstance(picture, dict) else None
    if not path:
        raise ArgumentError("picture: it did not arrive; give it once more")
    return Path(path), str(picture.get("orig_name") or Path(path).name)


def _present(found: Found | None, shown: dict[str, Any] | None, text: str) -> tuple[Found, Edited]:
    if found is None:
        raise ArgumentError("There is no picture yet: drop one, paste it, or use the webcam.")
    return found, edited(found, shown, text)


def _counted(kept: dict[str, list[Sample]]) -> str:
    faces, pictures = sum(map(len, kept.values())), len(kept)
    if not kept:
        return "The set is empty: what is saved is the picture above."
    return f"{faces} face{'' if faces == 1 else 's'} in {pictures} picture{'' if pictures == 1 else 's'}."

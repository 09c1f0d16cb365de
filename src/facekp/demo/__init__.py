"""A page to play with, in a browser: find points, look at them, mend them, save them.

Behind ``facekp demo``; needs ``pip install 'facekp[demo]'``.  The page is made by Gradio and served from this machine:
nothing is sent anywhere, and nothing is loaded from anywhere else.  What the page does is in functions that know
nothing of Gradio (:class:`Looker`), so a page of your own can use them::

    with demo.serving(port=7860) as address:
        ...

On a Hugging Face Space, see ``examples/space/``.
"""

from __future__ import annotations

from .looking import MAX_BYTES, MAX_PIXELS, Found, Heat, Looker
from .page import build
from .server import launch, serving

__all__ = ["MAX_BYTES", "MAX_PIXELS", "Found", "Heat", "Looker", "build", "launch", "serving"]

"""facekp's page as a Hugging Face Space; README.md says how it gets there."""

from __future__ import annotations

from facekp import demo

page = demo.build()

if __name__ == "__main__":
    # A Space is reached through Hugging Face's own proxy, which wants every address of its container.
    demo.launch(page, host="0.0.0.0", port=7860, wait=True)

"""``python -m stream.docsgen``, or ``make generate``: write every generated page."""

from stream.docsgen.pages import PAGES

for path, render in PAGES.items():
    path.write_text(render(), encoding="utf-8")

"""Export panel: copy the link of the view; save each figure as PNG, SVG, HTML, CSV or a zip of everything."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from pages.components import charts, network_download, show_code, time_cursor
from pages.state.auth import VIEW_ONLY_MESSAGE, is_writable
from pages.state.experiment import image_name
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.interchange.code_parts import with_run
from tempotron_core.interchange.notebook import to_notebook
from tempotron_core.runs.export import view_zip, zip_files

_HTML = """
<div class="saver">
  <button data-part="link">Copy link</button> <button data-part="png">PNG</button> <button data-part="svg">SVG</button>
  <input data-part="url" aria-label="link to this view" readonly hidden>
</div>
"""
_CSS = """
.saver { display: flex; flex-wrap: wrap; gap: 8px; }
.saver button { font: inherit; color: inherit; background: transparent; cursor: pointer; border-radius: 8px;
  border: 1px solid var(--st-border-color, #8888); padding: 6px 14px; }
.saver button:hover, .saver button:focus-visible { border-color: var(--st-primary-color, currentColor); }
.saver input { flex: 1 1 100%; font: inherit; padding: 6px; }
"""
_mount = st.components.v2.component(
    "tempotron_saver",
    html=_HTML,
    css=_CSS,
    js=Path(__file__).with_name("export_panel.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


@flushing_fragment
def render(title: str, url_path: str) -> None:
    """Show the expander at the end of a page that offers the exports."""
    with st.container(key="share"):
        panel = st.expander("Save or share", icon=":material/ios_share:", key="sharing", on_change="rerun")
        if panel.open:
            with panel:
                _export_options(title, url_path)


def _export_options(title: str, url_path: str) -> None:
    if not is_writable():
        st.markdown(f"{VIEW_ONLY_MESSAGE} The link can be copied from the address bar.")
        return
    # Shared with the page on purpose, so that the export matches later redraws.
    exportables, shown = charts.exportable_figures(), show_code.shown_code()
    if not exportables:
        st.markdown("This page shows no figure yet. Its link can be copied from the address bar.")
        return
    names = {key: item.name for key, item in exportables.items()}
    key = st.selectbox("Figure", list(exportables), format_func=lambda key: names[key], key="share_figure")
    file = f"{title}-{names[key]}".lower().replace(" ", "-").replace(",", "")
    _mount(key="saver", data={"key": key, "file": file})
    columns = st.columns(3)
    for column, label, mime_type, content in (
        (columns[0], "HTML", "text/html", lambda: exportables[key].html()),
        (columns[1], "CSV", "text/csv", lambda: _table(exportables[key], url_path, shown)),
        (columns[2], "All (zip)", "application/zip", lambda: _zip(exportables[key], url_path, shown)),
    ):
        extension = "zip" if mime_type.endswith("zip") else label.lower()
        column.download_button(
            label,
            content,
            f"{file}.{extension}",
            mime_type,
            key=f"save_{extension}",
            on_click="ignore",
            width="stretch",
        )
    if {"digit", "spikes", "traces", "peaks"} <= set(exportables) and not url_path:
        cursor = time_cursor.exported_data()  # the file is made outside the session
        st.download_button(
            "Overview with time cursor (HTML)", lambda: overview_page(exportables, cursor), "overview.html",
            "text/html",
            key="save_overview", on_click="ignore", width="stretch",
        )  # fmt: skip
        st.caption("One file with the figures and the time cursor: open it in a browser, without server and network.")
    st.caption(
        "The zip contains the figure, its numbers, the settings, the seed, the network, Python code that computes the "
        "numbers, and instructions to reproduce the view."
    )
    view = exportables[key].view
    if view is not None:
        trained = view.trained or view.model
        network_download.render(lambda: (trained, view.dataset.classes), "tempotron", "share_network")


def overview_page(exportables: dict[str, charts.ExportableFigure], cursor: dict[str, Any]) -> str:
    """Return the page Overview with a working time cursor as one HTML file.

    Args:
        exportables: figures of the page, by key
        cursor: data of the time cursor
    """
    sample, raster, traces, peaks = (exportables[key] for key in ("digit", "spikes", "traces", "peaks"))
    view = traces.view
    caption = f"Sample: {sample.alt}. {raster.alt}"
    if view is not None:
        model = view.model
        caption += (
            f" Code: {model.m} neurons per {view.dataset.feature}, beta {model.beta:g}, window {model.T} ms. Neuron: "
            f"tau {model.tau:g} ms, tau_s {model.tau_s:g} ms, threshold {model.threshold:g}."
        )
    return figures.cursor_page(
        f"Overview: {sample.alt}",
        traces.alt,
        (sample.source, raster.source, peaks.source),
        traces.figure,
        time_cursor.SOURCES,
        cursor,
        caption,
    )


def _table(item: charts.ExportableFigure, url_path: str, shown: dict[str, str | None]) -> str:
    """Return the numbers of a figure as CSV, below lines that name the view."""
    return _comment_lines(item, url_path, shown) + item.csv()


def _comment_lines(item: charts.ExportableFigure, url_path: str, shown: dict[str, str | None]) -> str:
    """Return lines that begin with # and name figure, sample, model, constants and link."""
    lines = [f"figure: {item.name}", f"link: {url_path or 'overview'}?{urlencode(item.query)}"]
    if (view := item.view) is not None:
        model, run = view.model, shown.get("run")
        lines += [
            f"sample: {image_name(view)} of {view.dataset.name}",
            *([f"model: {'untrained network' if run is None else Path(run).name}"] if shown else []),
            f"constants: code {model.code.name}, m {model.m}, beta {model.beta:g}, T {model.T} ms, tau {model.tau:g} "
            f"ms, tau_s {model.tau_s:g} ms, threshold {model.threshold:g}, tempotrons per class "
            f"{model.tempotrons_per_class}",
        ]
    return "".join(f"# {' '.join(line.split())}\n" for line in lines)


def _zip(item: charts.ExportableFigure, url_path: str, shown: dict[str, str | None]) -> bytes:
    view, code = item.view, shown.get("code")
    files = {"figure.html": item.html(), "figure.csv": item.csv()}
    figure = item.figure
    if figure is None:
        files["figure.txt"] = item.alt
    else:
        files["figure.json"] = figures.figure_to_json(figure)
    if view is None:
        return zip_files(files | _scripts(code))
    return view_zip(
        files, url_path, item.query, view.settings, view.model.weight, view.dataset.classes, view.model.code,
        lambda run: _scripts(code, run),
    )  # fmt: skip


def _scripts(code: str | None, run: str | None = None) -> dict[str, str]:
    """Return the code of the page as script and notebook.

    Args:
        code: code of the page, None where it shows none
        run: path of the run folder that the code reads, None for that of the page
    """
    if code is None:
        return {}
    code = code if run is None else with_run(code, run)
    return {"view.py": code, "view.ipynb": to_notebook(code)}

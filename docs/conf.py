"""Sphinx configuration: ``sphinx-build -W docs docs/_build/html`` builds the pages, offline."""

import sys
from pathlib import Path

import skfactor

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_extensions")]

project = "skfactor"
author = "The skfactor developers"
copyright = author
version = release = skfactor.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    # Of this project, in _extensions.
    "drawings",
    "mathml",
    "name_links",
]
exclude_patterns = ["_build", "api/backreferences", "auto_examples/**/GALLERY_HEADER*"]
templates_path = ["_templates"]
# Single backquotes in docstrings are names of this package where there are such, else plain.
default_role = "py:obj"
suppress_warnings = ["config.cache"]  # functions in sphinx_gallery_conf cannot be pickled

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say types, shapes and units
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template of classes does
numpydoc_class_members_toctree = False

myst_enable_extensions = ["dollarmath", "attrs_block"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "within_subsection_order": "gallery_order.Story",
    "ignore_repr_types": r"skfactor\.plotting|matplotlib",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("skfactor",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "skfactor"
html_static_path = ["_static"]
html_css_files = ["skfactor.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "skfactor"},
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Pages that have no others below them.
html_sidebars = {
    page: []
    for page in (
        "index",
        "getting_started",
        "mathematics",
        "conventions",
        "extending",
        "benchmarks",
        "changelog",
    )
}


def setup(app: object) -> None:
    """Draw the picture of the start page."""
    from picture import draw

    path = HERE / "_static" / "generated" / "picture.png"
    path.parent.mkdir(exist_ok=True)
    draw(path)

"""Formulas as MathML, which browsers show without a script or a download."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.logging import getLogger

logger = getLogger(__name__)
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", NAMESPACE)


def mathml(formula: str, **options: bool) -> str:
    r"""MathML of a formula by docutils, but for two things.

    An apostrophe is a prime, and the index of a letter with an accent, ``\bar f_t``, stands beside
    the letter and not below it, as if it were the lower limit of a sum.
    """
    primed = re.sub(r"'(?!\^)", r"^{\\prime}", formula)
    # Entities of HTML are unknown to XML, but for its own.
    named = re.compile(r"&(?!amp;|lt;|gt;)\w+;")
    xml = named.sub(lambda entity: unescape(entity.group()), tex2mathml(primed, **options))
    tree = ElementTree.fromstring(xml)
    for node in tree.iter(f"{{{NAMESPACE}}}munderover"):
        letter, index, above = list(node)
        if letter.tag.endswith("}mi") and above.get("stretchy") == "false":
            accented = ElementTree.Element(f"{{{NAMESPACE}}}mover", accent="true")
            accented.extend([letter, above])
            node.tag = f"{{{NAMESPACE}}}msub"
            node[:] = [accented, index]
    return ElementTree.tostring(tree, encoding="unicode")


def _rendered(node: Any, **options: bool) -> str:
    try:
        return mathml(node.astext(), **options)
    except MathError as error:
        logger.warning("formula %r: %s", node.astext(), error, location=node)
        return f"<code>{escape(node.astext())}</code>"


def _inline(translator: Any, node: Any) -> None:
    translator.body.append(_rendered(node))
    raise nodes.SkipNode


def _block(translator: Any, node: Any) -> None:
    number = f'<span class="eqno">({escape(str(node["number"]))})</span>' if node["number"] else ""
    formula = _rendered(node, as_block=True)
    translator.body.append(f'<div class="formula">{number}{formula}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True}

"""Public names in backquotes link to their pages, in Markdown as in docstrings."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from public_names import pages
from sphinx.addnodes import pending_xref

import skfactor


def setup(app: Any) -> dict[str, bool]:
    """Connect the links, and what is left out of the pages of classes."""
    targets = pages()
    # The name alone stands for it too, FamaMacBeth, but `fit` is what every estimator has.
    alone = {path.rsplit(".", 1)[-1]: page for path, page in targets.items()}
    methods = {*dir(skfactor.FamaMacBeth), *dir(skfactor.FactorBetas)}
    targets |= {name: page for name, page in alone.items() if name not in methods}

    def full(text: str) -> str | None:
        """The documented path of a public name, or of an attribute of one, as written."""
        text = text.removesuffix("()")
        owner, _, attribute = text.rpartition(".")
        if text in targets:
            return targets[text]
        return f"{targets[owner]}.{attribute}" if owner in targets else None

    def link_literals(app: Any, doctree: Any) -> None:
        if app.env.docname.startswith(("api/", "auto_examples/")):
            return
        for literal in list(doctree.findall(nodes.literal)):
            target = full(literal.astext())
            if target and not isinstance(literal.parent, nodes.reference | pending_xref):
                link = pending_xref("", refdomain="py", reftype="obj", reftarget=target)
                literal.replace_self(link)
                link += literal

    def resolve(app: Any, env: Any, node: Any, content: Any) -> Any:
        """Find what is called by another path than that of its page."""
        target = full(node["reftarget"])
        if node.get("refdomain") != "py" or target in (None, node["reftarget"]):
            return None
        return env.get_domain("py").resolve_xref(
            env, node["refdoc"], app.builder, "obj", target, node, content
        )

    def skip(app: Any, what: str, name: str, member: Any, skipped: bool, options: Any) -> Any:
        """Leave out methods that scikit-learn or pandas document."""
        module = getattr(getattr(member, "fget", member), "__module__", None) or "skfactor"
        return None if module.startswith("skfactor") else True

    app.connect("doctree-read", link_literals)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True}

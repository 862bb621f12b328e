"""Formulas as text: their two sides, the columns they name, and signs that would have no effect."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser import DefaultFormulaParser

_MOST_TERMS = 100_000


def parse_formula(
    formula: str, *, include_intercept: bool
) -> tuple[SimpleFormula | None, SimpleFormula]:
    """Left side, None if there is none, and right side of a formula.

    Raises ``ValueError`` if it cannot be read, or has more parts or less effect than it seems.
    """
    from formulaic import Formula, SimpleFormula
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser

    if not isinstance(formula, str):
        raise ValueError(f"formula={formula!r} has to be text, such as 'ret ~ beta + size'.")
    try:
        parser = DefaultFormulaParser(include_intercept=include_intercept)
        _refuse_endless(formula, parser)
        parsed = Formula(formula, _parser=parser)
        _refuse_lost_differences(formula)
    except (FormulaicError, KeyError, SyntaxError) as error:
        reason = str(error).partition("\n")[0]
        if "__formulaic_variables_available__" in reason:
            reason = "'.' stands for no columns here. Name them, as in 'ret ~ beta + size'."
        raise ValueError(f"The formula {formula!r} cannot be read: {reason}") from error
    if isinstance(parsed, SimpleFormula):
        return None, parsed
    target, design = getattr(parsed, "lhs", None), getattr(parsed, "rhs", None)
    if not isinstance(target, SimpleFormula) or not isinstance(design, SimpleFormula):
        raise ValueError(
            f"The formula {formula!r} has several parts on a side; write 'returns ~ factors'."
        )
    return target, design


def _refuse_endless(formula: str, parser: DefaultFormulaParser) -> None:
    """Raise ``ValueError`` for powers and crossings that would take hours to write out."""
    n_names, power, crossings, raised = 0, 1, 0, False
    for token in parser.get_tokens(formula):
        text = str(token.token)
        n_names += token.kind.value in {"name", "python"}
        crossings += text == "*"
        if raised and text.isdecimal():
            power = min(power * max(int(text), 1), 100)
        raised = text in {"**", "^"} or (raised and text == "(")
    n_terms = max(n_names, 2) ** power * 2 ** min(crossings, 100)
    if n_terms > _MOST_TERMS and (power > 1 or crossings):
        raise ValueError(
            f"The formula {formula!r} has more than {_MOST_TERMS} products to write out. Name the "
            "terms that you need."
        )


def _refuse_lost_differences(formula: str, part: str | None = None) -> None:
    """Raise ``ValueError`` for a minus that would remove a term that is not there."""
    part = formula if part is None else part
    for side in _split(part, "~"):
        pieces = list(_split(side, "-"))
        for i, piece in enumerate(pieces[1:], 1):
            removed = next(_split(piece, "+|")).strip()
            if removed.strip("( )") not in ("0", "1") and not _has_terms(pieces[:i], removed):
                raise ValueError(
                    f"The formula {formula!r} removes {removed!r}, which is not there: '-' takes a "
                    f"term away. Write a difference as I(... - {removed})."
                )
    for inner in _groups(part):
        _refuse_lost_differences(formula, inner)


def _has_terms(pieces: list[str], removed: str) -> bool:
    """Whether the terms to be removed are among those of what stands before."""
    from formulaic import Formula
    from formulaic.parser import DefaultFormulaParser

    def terms(text: str) -> set[frozenset[str]]:
        if not text.strip():
            return set()
        parsed = Formula(text, _parser=DefaultFormulaParser(include_intercept=False))
        return {frozenset(str(factor) for factor in term.factors) for term in parsed}

    return terms(removed) <= terms("-".join(pieces))


def _split(text: str, marks: str) -> Iterator[str]:
    """Pieces of a formula between marks that stand outside of brackets, quotes and numbers."""
    start = 0
    for i, character, depth in _outside_quotes(text):
        if character in marks and not depth and not _is_in_number(text, i):
            yield text[start:i]
            start = i + 1
    yield text[start:]


def _is_in_number(text: str, i: int) -> bool:
    """Whether a sign is that of an exponent, as in 1e-3."""
    before = re.search(r"(?<![\w.])[\d.]+[eE]$", text[max(i - 32, 0) : i])
    return before is not None and text[i + 1 : i + 2].isdigit()


def _groups(text: str) -> Iterator[str]:
    """What is in the outermost brackets that group, and do not call or index."""
    start = -1
    for i, character, depth in _outside_quotes(text):
        if character == "(" and depth == 1:
            start = -1 if re.search(r"[\w`\])]\s*$", text[:i]) else i + 1
        elif character == ")" and depth == 0 and start >= 0:
            yield text[start:i]


def _outside_quotes(text: str) -> Iterator[tuple[int, str, int]]:
    """Place, character, and the depth of brackets after it."""
    depth, quote = 0, ""
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
            continue
        if character in "`'\"":
            quote = character
        depth += (character in "([{") - (character in ")]}")
        yield i, character, depth


def needed_names(formula: SimpleFormula | ModelSpec, columns: pd.Index) -> set[str]:
    """Names that a side of a formula uses: columns, and what is neither column nor function."""
    from formulaic.transforms import TRANSFORMS

    known = TRANSFORMS.keys() | set(dir(builtins))
    needed = set()
    for factor in (each for term in getattr(formula, "formula", formula) for each in term.factors):
        if factor.eval_method.value == "lookup":
            needed.add(factor.expr)
        elif factor.eval_method.value == "python":
            nodes = list(ast.walk(ast.parse(re.sub("`.*?`", "_", factor.expr), mode="eval")))
            called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
            local = {node.arg for node in nodes if isinstance(node, ast.arg)} | {"_"}
            names = [node for node in nodes if isinstance(node, ast.Name) and node.id not in local]
            quoted = [arg for node in nodes if _is_quotation(node) for arg in ast.walk(node)]
            needed |= {str(arg.value) for arg in quoted if isinstance(arg, ast.Constant)}
            values = {name.id for name in names if id(name) not in called}
            needed |= ({name.id for name in names} - known) | values.intersection(columns)
            needed |= set(re.findall("`(.*?)`", factor.expr))
    return needed


def _is_quotation(node: ast.AST) -> bool:
    """Whether a node is Q('name'), which is for names that are no Python."""
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id == "Q"

"""The order of the gallery: from a first table of premia to what is made of it."""

from __future__ import annotations

STORY = (
    "plot_two_pass",
    "plot_useless_factor",
    "plot_three_pass",
    "plot_characteristics",
    "plot_factor_sets",
    "plot_betas_and_characteristics",
    "plot_instrumented_pca",
    "plot_shrinkage_sdf",
    "plot_sorts",
    "plot_hedging",
    "plot_fundamental_factors",
    "plot_industry_premia",
    "plot_factor_etfs",
    "plot_paper_table",
    "plot_scaling_out",
)


class Story:
    """Sort key of an example; those that are not in the list come last, by name."""

    def __init__(self, source_folder: str) -> None:
        pass

    def __call__(self, filename: str) -> tuple[int, str]:
        """Place in the story."""
        name = filename.removesuffix(".py")
        return (STORY.index(name) if name in STORY else len(STORY), name)

"""python -m benchmarks.translate_audit_picture [DATA]: what each defence keeps and what it hides, as docs/audit.svg."""

import sys
from pathlib import Path

from benchmarks.data import folder
from benchmarks.translate_audit import POINTS, Point, Setting, kept_at, measured

__all__ = ["main"]

OUT = Path(__file__).resolve().parents[1] / "docs" / "audit.svg"
_COLOURS = {
    "noise": "#c2410c", "bits": "#1d4ed8", "cut": "#047857", "rotation": "#6b21a8", "rotation + noise": "#6b7280",
}  # fmt: skip


def main() -> None:
    """Draw all points; those without pairs, at a minute each, only where the benchmark has measured them."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "samespace"
    from matplotlib import pyplot as plt

    setting = Setting.of(folder(Path(sys.argv[1]) if len(sys.argv) > 1 else None), "B")
    plain = measured(setting, "plain", "0", alone=True)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharex=True)
    leaks = ("own text among the first ten of 4,000", "subject right (12 subjects)")
    for axis, ylabel in zip(axes, leaks, strict=True):
        axis.set_xlabel("neighbours kept@10 of 4,000 (what the vectors are still good for)")
        axis.set_ylabel(ylabel)
    for kind, strengths in POINTS.items():
        points = [measured(setting, kind, s, alone=kept_at("B", kind, s, alone=True).is_file()) for s in strengths]
        for way, style in (("100 pairs", "-o"), ("no pairs", "--s")):
            some = [point for point in (plain, *points) if way in point.found]
            if len(some) > 1:
                _draw(axes, some, way, style, kind)
    axes[0].axhline(10 / 4000, color="#9aa4b2", lw=1, ls=":")
    axes[1].axhline(1 / 12, color="#9aa4b2", lw=1, ls=":")
    axes[0].legend(fontsize=8, loc="lower right")
    figure.suptitle("MiniLM's vectors in the hands of somebody with E5: utility against leak (dotted: chance)")
    figure.tight_layout()
    figure.savefig(OUT, metadata={"Date": None})


def _draw(axes: object, points: list[Point], way: str, style: str, kind: str) -> None:
    kept = [point.kept for point in points]
    leaks = [point.found[way].top10 for point in points], [point.subject[way] for point in points]
    for axis, leak in zip(axes, leaks, strict=True):  # type: ignore[call-overload]  # matplotlib's array of axes
        axis.plot(kept, leak, style, color=_COLOURS[kind], ms=5, lw=1.2, label=f"{kind}, {way}")


if __name__ == "__main__":
    main()

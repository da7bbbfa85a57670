"""Writes the figures of the results into the documents, between their marks."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.contenders import ROOT
from benchmarks.report import Rows, markdown
from benchmarks.scale.cluster import ClusterFigures
from benchmarks.scale.neighbours import NeighbourFigures, Situation
from benchmarks.scale.plan import ASSUMED, Plan, plans
from benchmarks.scale.sizing import Size
from benchmarks.scale.store import RESULTS, Measured, load
from benchmarks.scale.texts import TEXTS, Texts
from service.cli.batch.sharding import films_per_shard, shard_count
from service.inference.atomic_write import atomic_write

PAGES: Final = {"en": ROOT / "docs/scaling.md", "es": ROOT / "docs/escala.md"}
ARCHIVE: Final = 1_000_000

T = TypeVar("T")


def write_pages(results: Path = RESULTS, pages: Mapping[str, Path] = PAGES) -> None:
    """Bring the documents up to date with the results."""
    for language, path in pages.items():
        text = fill(path.read_text(encoding="utf-8"), blocks(TEXTS[language], results))
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def fill(text: str, contents: Mapping[str, str]) -> str:
    """Put contents between the marks that name them.

    Raises:
        ValueError: A mark is missing.
    """
    for name, content in contents.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        found = re.findall(pattern, text, flags=re.DOTALL)
        if len(found) != 1:
            raise ValueError(f"{name} is marked {len(found)} times.")
        [(start, end)] = found
        before, _, rest = text.partition(start)
        text = before + start + content + end + rest.partition(end)[2]
    return text


def blocks(texts: Texts, results: Path = RESULTS) -> dict[str, str]:
    """The contents of every mark, in one language."""

    def block(name: str, kind: type[T], table: Callable[[Texts, T], str]) -> str:
        measured = load(name, kind, results)
        if measured is None:
            return texts["unmeasured"] + "\n"
        return table(texts, measured.figures) + "\n" + _origin(texts, measured)

    return {
        "sizing": block("sizing", list[Size], _sizing),
        "neighbours": block("neighbours", NeighbourFigures, _neighbours),
        "cluster": block("cluster", ClusterFigures, _cluster),
        "plan": block("cluster", ClusterFigures, _plan),
    }


def _origin(texts: Texts, measured: Measured[T]) -> str:
    lines = [*measured.machine[:1], *measured.setup]
    said = texts["origin"].format(when=f"{measured.made_at:%Y-%m-%d}", load=measured.machine[-1])
    return f"{said} {'; '.join(lines)}.\n"


def _turned(rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns were given as rows: machines beside each other."""
    turned: Rows = [list(cells) for cells in zip(*rows, strict=True)]
    return markdown(turned)


def _sizing(texts: Texts, sizes: list[Size]) -> str:
    columns = [texts["sizing"].split("|")]
    for size in sizes:
        it = size.figures
        columns.append(
            [
                texts["cores"].format(n=size.cores),
                f"{it.crowd.per_second:.0f}",
                f"{it.crowd.per_second * 3600:,.0f}",
                f"{it.single.latencies.p50:.0f} / {it.single.latencies.p95:.0f} ms",
                f"{it.crowd.latencies.p50:.0f} / {it.crowd.latencies.p95:.0f} ms",
                f"{it.first_answer_s:.1f} s",
                f"{it.memory_mib:.0f} MiB",
                f"{size.growth.many_mib:.0f} MiB",
            ]
        )
    return _turned(columns)


def _neighbours(texts: Texts, figures: NeighbourFigures) -> str:
    def cells(title: str, it: Situation) -> list[str]:
        flood = ", ".join(f"{rate:.0f} x {status}" for status, rate in it.flood_per_s.items())
        return [
            title,
            f"{it.latencies.p50:.0f} ms",
            f"{it.latencies.p95:.0f} ms",
            f"{it.answers} / {it.answers + it.refused}",
            flood or "-",
            f"{it.cpu_share:.0%}",
        ]

    said = {
        "limit": figures.limit_per_s,
        "pace": figures.pace_per_s,
        "flooding": figures.flooding,
    }
    titles = texts["situations"].format(**said).split("|")
    situations = (figures.alone, figures.limited, figures.unlimited)
    rows = [cells(title, it) for title, it in zip(titles, situations, strict=True)]
    return markdown([["", *texts["neighbours"].split("|")], *rows])


def _cluster(texts: Texts, it: ClusterFigures) -> str:
    titles = texts["runs"].split("|")
    starts = ["-", f"{it.start_s:.1f} s", "-"]
    steady = ["-", f"{it.one_steady_per_s:.1f}", f"{it.two_steady_per_s:.1f}"]
    rates = [it.cli_per_s, it.one_per_s, it.two_per_s]
    rows = [
        [title, f"{rate:.1f}", f"{rate / it.one_per_s:.2f}x", start, after]
        for title, rate, start, after in zip(titles, rates, starts, steady, strict=True)
    ]
    table = markdown([["", *texts["cluster"].split("|")], *rows])
    ratio = it.two_steady_per_s / it.one_steady_per_s
    share = it.one_steady_per_s / it.cli_per_s
    return table + "\n" + texts["cluster_said"].format(ratio=f"{ratio:.2f}", share=f"{share:.0%}")


def _plan(texts: Texts, figures: ClusterFigures) -> str:
    shard = films_per_shard(ARCHIVE)
    said = {
        "shards": f"{shard_count(ARCHIVE):,}",
        "films": shard,
        "archive": f"{ARCHIVE * figures.film_bytes / 1e9:,.0f} GB",
        "result": f"{ARCHIVE * figures.row_bytes / 1e6:,.0f} MB",
        "core_hour": ASSUMED.core_hour_usd,
        "watts": f"{ASSUMED.watts_per_core:.0f}",
        "kwh": f"{ASSUMED.kwh_usd:.2f}",
    }
    columns = [texts["plan"].split("|")]
    columns += [_plan_column(texts, each) for each in plans(figures, ARCHIVE, shard)]
    return _turned(columns) + "\n" + texts["plan_said"].format(**said)


def _plan_column(texts: Texts, it: Plan) -> list[str]:
    head = f"{it.head_gib:.1f} GiB"
    nodes = it.scenario.nodes
    memory = head if nodes == 1 else f"{head} + {nodes - 1} x {it.node_gib:.1f} GiB"
    return [
        texts[it.scenario.key],
        f"{it.films_per_s:.0f}",
        _duration(texts, it.hours),
        f"{it.core_hours:.0f}",
        f"{it.rent_usd:.2f} USD",
        f"{it.power_usd:.2f} USD",
        memory,
        f"{it.read_mb_per_s:.0f} MB/s",
        f"{it.lost_s:.0f} s",
        _duration(texts, it.repeat_hours),
    ]


def _duration(texts: Texts, hours: float) -> str:
    return f"{hours:.1f} h" if hours < 48 else texts["days"].format(days=f"{hours / 24:.1f}")

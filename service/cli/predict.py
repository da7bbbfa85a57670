"""Screens files and folders; what is done is kept, whatever ends the run."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from service.cli.files import Found, find
from service.cli.loading import load
from service.cli.names import files, shown
from service.cli.outcome import Columns, Failure, Outcome
from service.cli.output import (
    TABLE_ROWS,
    Answers,
    JsonLines,
    Nothing,
    PlainLines,
    ScreenTable,
    bar,
    note,
)
from service.cli.pool import Answer, in_order, stop_on_interrupt
from service.cli.refusing import ALL_WELL, INTERRUPTED, SOME_FAILED
from service.cli.reports import Reports
from service.cli.resume import Ledger
from service.cli.screen_file import FileScreening
from service.i18n import Language
from service.inference import Ensemble, Manifest
from service.screening.cpu_quota import available_cpus
from service.screening.screen import Screening
from service.settings import MIB, Settings


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to come of a run.

    Attributes:
        csv: A table, written row by row; one that is there is gone on with.
        json: Lines of JSON on standard output instead of a table.
        report: A folder for one PDF of each radiograph.
        language: Of these PDFs.
        quiet: Nothing is shown but what failed.
    """

    csv: Path | None = None
    json: bool = False
    report: Path | None = None
    language: Language = "es"
    quiet: bool = False


def predict(arguments: list[str], settings: Settings, wishes: Wishes) -> int:
    """Screen all files that the arguments mean.

    Args:
        arguments: Files, folders and patterns.
        settings: Say which model answers, with how many threads, and how large a file may be.
        wishes: What is to come of it.

    Returns:
        The status to end with: all well, some files failed, or interrupted.

    Raises:
        CannotError: Nothing can be done, or what is done cannot be written.
    """
    found = find(arguments)
    ensemble = load(settings)
    if ensemble.warning:
        note(ensemble.warning)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_interrupt())
        columns = Columns.of(ensemble)
        ledger = None
        if wishes.csv:
            ledger = stack.enter_context(closing(Ledger(wishes.csv, columns)))
        reports = None
        if wishes.report:
            reports = Reports(wishes.report, ensemble.bundle, wishes.language)
        job = FileScreening(
            Screening(ensemble, max_pixels=settings.max_pixels),
            max_bytes=settings.max_upload_mib * MIB,
            reports=reports,
        )
        run = _Run(found, ledger, job, settings.threads or available_cpus(), stop, wishes)
        run.skip_what_is_done()
        run.screen_the_rest(_answers(wishes, ensemble.bundle.manifest))
    run.say_the_sums(ensemble)
    return run.status()


@dataclass
class _Run:
    found: Found
    ledger: Ledger | None
    job: FileScreening
    threads: int
    stop: Event
    wishes: Wishes
    classes: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)
    done_before: int = 0
    done_now: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.files = {shown(path): path for path in self.found.files}
        self.todo = list(self.files)
        self.failed += [
            (shown(folder), "The folder cannot be listed.")
            for folder in self.found.unreadable_folders
        ]

    def skip_what_is_done(self) -> None:
        """Leave out files whose row is there, if the row is about the file as it is now."""
        if self.ledger is None:
            return
        rows = self.ledger.rows
        known = [name for name in self.files if name in rows]

        def is_done(name: str) -> bool:
            return self.job.is_done(self.files[name], rows[name])

        # Fewer answers than names when it was interrupted.
        held = list(self._each("Checking what is done", is_done, known))
        done = {name: rows[name] for name, holds in zip(known, held, strict=False) if holds}
        self.classes.update(row.predicted_class for row in done.values())
        self.done_before = len(done)
        self.todo = [name for name in self.files if name not in done]
        if not self.stop.is_set():
            self.ledger.begin(drop={name for name in known if name not in done})

    def screen_the_rest(self, answers: Answers) -> None:
        """Screen file by file; an outcome is written once it and those before it are there."""
        start = time.perf_counter()

        def screen(name: str) -> Outcome:
            return self.job.screen(name, self.files[name])

        with closing(self._each("Screening", screen, self.todo)) as outcomes:
            for outcome in outcomes:
                if self.ledger is not None:
                    self.ledger.append(outcome)
                self._count(outcome)
                answers.show(outcome)
        self.seconds = time.perf_counter() - start
        answers.close()

    def status(self) -> int:
        """What the process ends with."""
        if self.done_before + self.done_now < len(self.files):
            return INTERRUPTED
        return SOME_FAILED if self.failed else ALL_WELL

    def say_the_sums(self, ensemble: Ensemble) -> None:
        """Tell what failed and, unless that is not wanted, what became of the rest."""
        for name, reason in self.failed:
            note(f"{name}: {reason}")
        if not self.wishes.quiet:
            for line in self._sums(ensemble):
                note(line)
        if self.status() == INTERRUPTED:
            done = f"{self.done_before + self.done_now} of {files(len(self.files))} done"
            note(
                f"Interrupted: {done}, and kept in {shown(self.wishes.csv)}. "
                "The same command goes on from there."
                if self.wishes.csv
                else f"Interrupted: {done}. With --csv FILE a later run can go on from there."
            )

    def _count(self, outcome: Outcome) -> None:
        self.done_now += 1
        if isinstance(outcome.result, Failure):
            self.failed.append((outcome.path, outcome.result.message))
        else:
            self.classes[outcome.result.predicted_class] += 1

    def _each(
        self, title: str, work: Callable[[str], Answer], names: list[str]
    ) -> Generator[Answer, None, None]:
        answers = in_order(work, names, threads=self.threads, stop=self.stop)
        # Lines of JSON that come to the same terminal would run into the bar.
        in_the_way = self.wishes.json and sys.stdout.isatty()
        wanted = not (self.wishes.quiet or in_the_way)
        with closing(answers), bar(title, len(names), shown=wanted) as progress:
            for answer in answers:
                yield answer
                progress.step()

    def _sums(self, ensemble: Ensemble) -> Iterator[str]:
        manifest = ensemble.bundle.manifest
        labels = (manifest.labels.positive, manifest.labels.negative)
        counts = ", ".join(f"{self.classes[label]} {label}" for label in labels)
        failed = self.done_before + self.done_now - self.classes.total()
        before = f"; {self.done_before} of them were done before" if self.done_before else ""
        total = self.done_before + self.done_now
        yield f"{files(total)}: {counts}, {failed} failed{before}."
        rate = f" ({self.done_now / self.seconds:.1f}/s)" if self.seconds and self.done_now else ""
        yield (
            f"{files(self.done_now)} in {self.seconds:.1f} s{rate} by {manifest.name} "
            f"{manifest.version}, threshold {manifest.threshold.value:g}."
        )
        if self.found.skipped:
            yield f"Passed over in folders, as no pictures: {files(self.found.skipped)}."
        yield "Decision support, not a diagnosis."


def _answers(wishes: Wishes, manifest: Manifest) -> Answers:
    members = [member.name for member in manifest.members]
    if wishes.json:
        return JsonLines()
    if wishes.quiet:
        return Nothing()
    if sys.stdout.isatty():
        return ScreenTable(members, manifest.labels.positive, TABLE_ROWS if wishes.csv else None)
    return PlainLines(members)

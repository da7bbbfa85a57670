"""``pneumonia-xray predict``: screens files and folders. What is done is kept if it is stopped."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from service.cli.dicom_folder import DicomFolder
from service.cli.errors import INTERRUPTED, SOME_FAILED, SUCCESS
from service.cli.file_screening import FileScreening
from service.cli.files import FoundFiles, count_files, find_files, printable_path
from service.cli.loading import load_model
from service.cli.ordered_map import Result, ordered_map, stop_on_interrupt
from service.cli.outcome import Columns, Failure, Outcome
from service.cli.output import (
    MAX_TABLE_ROWS,
    JsonLines,
    Output,
    TabSeparatedLines,
    TerminalTable,
    print_message,
    progress_bar,
)
from service.cli.reports import ReportFolder
from service.cli.resume import ResumableTable
from service.hospital.results import ResultOptions
from service.i18n import Language
from service.inference import Ensemble, Manifest
from service.screening.cpu_quota import available_cpus
from service.screening.screen import Screening
from service.settings import MIB, Settings


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """Options of the command.

    Attributes:
        csv: A table to write row by row; resumed if it exists.
        json: Print lines of JSON instead of a table.
        report: A folder for a PDF report of each radiograph.
        dicom_out: A folder for DICOM results of each DICOM file.
        language: Language of the reports and results.
        quiet: Print only what failed.
    """

    csv: Path | None = None
    json: bool = False
    report: Path | None = None
    dicom_out: Path | None = None
    language: Language = "es"
    quiet: bool = False


def predict(arguments: list[str], settings: Settings, options: PredictOptions) -> int:
    """Screen all files that the arguments name.

    Args:
        arguments: Files, folders and patterns.
        settings: Model, number of threads and limits.
        options: What to write and print.

    Returns:
        The exit code.

    Raises:
        CommandError: Nothing can be screened, or results cannot be written.
    """
    found = find_files(arguments)
    ensemble = load_model(settings)
    if ensemble.warning:
        print_message(ensemble.warning)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_interrupt())
        table = None
        if options.csv:
            table = ResumableTable(options.csv, Columns.for_ensemble(ensemble))
            stack.enter_context(closing(table))
        reports = None
        if options.report:
            reports = ReportFolder(options.report, ensemble.bundle, options.language)
        dicom = None
        if options.dicom_out:
            wanted = ResultOptions(uid_root=settings.dicom_uid_root, language=options.language)
            dicom = DicomFolder(options.dicom_out, ensemble.bundle, wanted)
        screening = FileScreening(
            Screening(ensemble, max_pixels=settings.max_pixels, prevalence=settings.prevalence),
            max_bytes=settings.max_upload_mib * MIB,
            reports=reports,
            dicom=dicom,
        )
        threads = settings.threads or available_cpus()
        run = _Run(found, table, screening, threads, stop, options)
        run.skip_finished()
        run.screen_remaining(_output(options, ensemble.bundle.manifest))
    run.print_summary(ensemble)
    return run.exit_code()


@dataclass
class _Run:
    found: FoundFiles
    table: ResumableTable | None
    screening: FileScreening
    threads: int
    stop: Event
    options: PredictOptions
    classes: Counter[str] = field(default_factory=Counter)
    indeterminate: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    resumed: int = 0
    screened: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.files = {printable_path(path): path for path in self.found.files}
        self.remaining = list(self.files)
        self.failed += [
            (printable_path(folder), "The folder cannot be listed.")
            for folder in self.found.unreadable_folders
        ]

    def skip_finished(self) -> None:
        """Skip files whose row is in the table, if it is about their current content."""
        if self.table is None:
            return
        rows = self.table.rows
        known = [name for name in self.files if name in rows]

        def is_current(name: str) -> bool:
            return self.screening.is_current(self.files[name], rows[name])

        # Fewer results than names if it was interrupted.
        current = list(self._each("Checking finished files", is_current, known))
        finished = {name: rows[name] for name, ok in zip(known, current, strict=False) if ok}
        for row in finished.values():
            self._count_class(row.predicted_class, row.assessment)
        self.resumed = len(finished)
        self.remaining = [name for name in self.files if name not in finished]
        if not self.stop.is_set():
            self.table.begin(drop={name for name in known if name not in finished})

    def screen_remaining(self, output: Output) -> None:
        """Screen file by file; outcomes are written in the order of the files."""
        start = time.perf_counter()

        def screen(name: str) -> Outcome:
            return self.screening.screen(name, self.files[name])

        with closing(self._each("Screening", screen, self.remaining)) as outcomes:
            for outcome in outcomes:
                if self.table is not None:
                    self.table.append(outcome)
                self._count(outcome)
                output.add(outcome)
        self.seconds = time.perf_counter() - start
        output.close()

    def exit_code(self) -> int:
        """The exit code of the command."""
        if self.resumed + self.screened < len(self.files):
            return INTERRUPTED
        return SOME_FAILED if self.failed else SUCCESS

    def print_summary(self, ensemble: Ensemble) -> None:
        """Print what failed and, unless quiet, the totals."""
        for name, reason in self.failed:
            print_message(f"{name}: {reason}")
        if not self.options.quiet:
            for line in self._totals(ensemble):
                print_message(line)
        if self.exit_code() == INTERRUPTED:
            done = f"{self.resumed + self.screened} of {count_files(len(self.files))} done"
            print_message(
                f"Interrupted: {done} and saved in {printable_path(self.options.csv)}. "
                "Run the same command again to resume."
                if self.options.csv
                else f"Interrupted: {done}. With --csv FILE, a run can be resumed."
            )

    def _count(self, outcome: Outcome) -> None:
        self.screened += 1
        if isinstance(outcome.result, Failure):
            self.failed.append((outcome.path, outcome.result.message))
        else:
            self._count_class(outcome.result.predicted_class, outcome.result.assessment)
            self.warned += bool(outcome.result.warnings)

    def _count_class(self, label: str, assessment: str) -> None:
        self.classes[label] += 1
        self.indeterminate[label] += assessment == "indeterminate"

    def _counted(self, label: str) -> str:
        unsure = self.indeterminate[label]
        note = f" ({unsure} of them indeterminate)" if unsure else ""
        return f"{self.classes[label]} {label}{note}"

    def _each(
        self, title: str, work: Callable[[str], Result], names: list[str]
    ) -> Generator[Result, None, None]:
        results = ordered_map(work, names, threads=self.threads, stop=self.stop)
        # JSON lines on the same terminal would collide with the progress bar.
        collides = self.options.json and sys.stdout.isatty()
        enabled = not (self.options.quiet or collides)
        with closing(results), progress_bar(title, len(names), enabled=enabled) as progress:
            for result in results:
                yield result
                progress.step()

    def _totals(self, ensemble: Ensemble) -> Iterator[str]:
        manifest = ensemble.bundle.manifest
        labels = (manifest.labels.positive, manifest.labels.negative)
        counts = ", ".join(map(self._counted, labels))
        total = self.resumed + self.screened
        failed = total - self.classes.total()
        resumed = f"; {self.resumed} from an earlier run" if self.resumed else ""
        yield f"{count_files(total)}: {counts}, {failed} failed{resumed}."
        rate = f" ({self.screened / self.seconds:.1f}/s)" if self.seconds and self.screened else ""
        yield (
            f"{count_files(self.screened)} in {self.seconds:.1f} s{rate} with {manifest.name} "
            f"{manifest.version}, threshold {manifest.threshold.value:g}."
        )
        if self.indeterminate.total():
            yield "Where a result is indeterminate, a radiologist should decide."
        if self.warned:
            yield f"With warnings: {count_files(self.warned)}."
        if self.found.skipped:
            yield f"Skipped in folders, not pictures: {count_files(self.found.skipped)}."
        yield "Decision support, not a diagnosis."


def _output(options: PredictOptions, manifest: Manifest) -> Output:
    members = [member.name for member in manifest.members]
    if options.json:
        return JsonLines()
    if options.quiet:
        return Output()
    if sys.stdout.isatty():
        max_rows = MAX_TABLE_ROWS if options.csv else None
        return TerminalTable(members, manifest.labels.positive, max_rows)
    return TabSeparatedLines(members)

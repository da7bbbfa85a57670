"""The use case: the bytes of a radiograph come in, a verdict goes out. Knows no HTTP."""

from service.imaging import decode, prepare
from service.inference import Ensemble
from service.refusals import EmptyFileError
from service.verdict import ImageFacts, Verdict, decide


class Screening:
    """Screens radiographs with one ensemble. Holds no state between calls; safe for many threads.

    Args:
        ensemble: Loaded and verified networks.
        max_pixels: Most pixels of an image that are decoded.
    """

    def __init__(self, ensemble: Ensemble, *, max_pixels: int) -> None:
        self.ensemble = ensemble
        self._max_pixels = max_pixels

    def screen(self, data: bytes) -> Verdict:
        """Decode, prepare, score and decide. Blocks for as long as that takes.

        Raises:
            EmptyFileError: There are no bytes.
            ImagingError: The bytes cannot be read as one usable radiograph.
        """
        if not data:
            raise EmptyFileError("The file is empty. Please check that it was exported completely.")
        bundle = self.ensemble.bundle
        radiograph = decode(data, max_pixels=self._max_pixels)
        tensor = prepare(radiograph, bundle.manifest.input)
        [score] = self.ensemble.score(tensor[None])
        image = ImageFacts(
            format=radiograph.format,
            width=radiograph.width,
            height=radiograph.height,
            sha256=radiograph.sha256,
        )
        return decide(score, bundle.manifest, bundle.digest, image)

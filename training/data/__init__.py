"""The films: files, patients, folds, lung masks, and the caches that networks are fitted on."""

from training.data.folds import FOLDS, assign_folds, folds_digest, split
from training.data.records import (
    CLASS_FOLDERS,
    MAX_UNREADABLE_SHARE,
    Aetiology,
    DataError,
    Record,
    Scan,
    class_folders,
    one_per_patient,
    parse_name,
    read_radiograph,
    scan,
)

__all__ = [
    "CLASS_FOLDERS",
    "FOLDS",
    "MAX_UNREADABLE_SHARE",
    "Aetiology",
    "DataError",
    "Record",
    "Scan",
    "assign_folds",
    "class_folders",
    "folds_digest",
    "one_per_patient",
    "parse_name",
    "read_radiograph",
    "scan",
    "split",
]

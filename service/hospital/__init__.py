"""What radiology speaks: results as DICOM objects and FHIR, and a node in the DICOM network."""
